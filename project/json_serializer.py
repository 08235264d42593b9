"""The serializer of what is cached in Redis:

JSON, because Django's own, pickle, runs code that others write there.
"""

import json
from typing import Any


class JsonSerializer:
    """Turns values into JSON and back.

    Tuples come back as lists; other types raise TypeError when they are stored.
    """

    def dumps(self, value: Any) -> bytes | int:
        """Return the value's JSON.

        Whole numbers stay as they are, so that Redis can count them up.
        """
        if type(value) is int:
            return value
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        """Return the value. Data that is no JSON counts as a value that is not there."""
        try:
            return json.loads(data)
        except ValueError:
            return None
