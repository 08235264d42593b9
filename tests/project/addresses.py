"""Every address of the site, found by walking the URL resolver, and filled with the rows of one team."""

from dataclasses import dataclass

from django.urls import URLResolver, get_resolver
from django.utils.regex_helper import normalize


@dataclass(frozen=True)
class Address:
    """A URL pattern: its view's name (the path, where it has none), and the path with places for its arguments."""

    name: str
    path: str
    arguments: tuple[str, ...]

    @property
    def of_team(self):
        return "slug" in self.arguments

    def filled(self, values):
        """The path of these values. Raises KeyError for an argument that nobody has taught this test."""
        return self.path % {name: values[f"{self.name}:{name}"] if f"{self.name}:{name}" in values else values[name]
                            for name in self.arguments}  # fmt: skip

    def __str__(self):
        return self.name


def walk(resolver=None, path="/", arguments=(), namespaces=()):
    """Every address below a resolver."""
    for entry in (resolver or get_resolver()).url_patterns:
        piece, names = normalize(entry.pattern.regex.pattern)[0]
        full, given = path + piece, (*arguments, *names)
        if isinstance(entry, URLResolver):
            inner = (*namespaces, entry.namespace) if entry.namespace else namespaces
            yield from walk(entry, full, given, inner)
        else:
            yield Address(":".join((*namespaces, entry.name)) if entry.name else full, full, given)


def values(of):
    """What each argument of an address is in one team, whose rows are the attributes of `of`."""
    return {
        "slug": of.team.slug,
        "run_id": of.run.pk,
        # No address of these is a team's.
        "object_id": 1,
        "app_label": "metrics",
        "content_type_id": 1,
        "id": 1,
        "url": "no/such/page",
        "key": "key",
        "uidb36": "1",
        "token": "token",
        "source": "github",
        "mfa_remove_webauthn:pk": 1,
        "mfa_edit_webauthn:pk": 1,
    }
