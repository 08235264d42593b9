"""Convert parts of a path within bounds: if a value does not fit its column, the path
does not exist.

    path("t/<slug:slug>/members/<id:user_id>/", …)    # /t/acme/members/99999999999999999999999/ is 404
"""

from django.urls import register_converter


class IdConverter:
    """A primary key: digits of ASCII that fit into 64 bits."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: object) -> str:
        return str(value)


register_converter(IdConverter, "id")
