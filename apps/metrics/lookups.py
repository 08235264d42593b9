"""Match many keys, which are sent to the database as one parameter.

PullRequest.objects.across_teams().filter(Among("pk", keys))
"""

import json
from typing import Any

from django.db import connection
from django.db.models import F, Lookup


class Among(Lookup[Any]):
    """Match rows whose key is in an array, which is sent as one parameter.

    Django's `in` would write and check a parameter for each key.
    """

    lookup_name = "among"
    prepare_rhs = False

    def __init__(self, key: str, keys: Any) -> None:
        super().__init__(F(key), keys)

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        sql, params = self.process_lhs(compiler, connection)
        return f"{sql} IN (SELECT value FROM json_each(%s))", [*params, one_parameter(self.rhs)]  # noqa: S608

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        sql, params = self.process_lhs(compiler, connection)
        return f"{sql} = ANY(%s)", [*params, one_parameter(self.rhs)]


def one_parameter(keys: Any) -> Any:
    """Return keys in the form in which the database takes an array."""
    return json.dumps(keys.tolist()) if connection.vendor == "sqlite" else keys.tolist()
