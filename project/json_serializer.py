"""The serializer of cached values in Redis. It uses JSON, because Django's default,
pickle, would run code that an attacker writes to Redis.
"""

import json
from typing import Any


class JsonSerializer:
    """Turns values into JSON and back.

    Tuples come back as lists. Values of other types raise TypeError when they are
    stored.
    """

    def dumps(self, value: Any) -> bytes | int:
        """Return the value's JSON.

        Whole numbers stay numbers, so that Redis can increment them.
        """
        if type(value) is int:
            return value
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        """Return the value. Data that is not JSON counts as a missing value."""
        try:
            return json.loads(data)
        except ValueError:
            return None
