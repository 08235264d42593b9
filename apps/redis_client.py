"""Our client of Redis, and what it raises if Redis is away, refuses, or answers what is
no answer: `except UNUSABLE`.

    CheckedRedis.from_url(url).get("key")    # bytes or None; InvalidResponse if a proxy answered "+PONG"

A proxy, a load balancer, or another program may answer in place of Redis. Some of them
answer every command in the same way, which redis-py passes on as it is. Its parser and
its handshake also let exceptions of Python pass: int() of a word, a nesting without
end, the method of a map that is none.
"""

from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import InvalidResponse, RedisError

UNUSABLE = (
    RedisError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RecursionError,
    OverflowError,
    MemoryError,
)


def _is_count(answer: Any) -> bool:
    return isinstance(answer, int)


def _is_value(answer: Any) -> bool:
    return answer is None or isinstance(answer, bytes)


def _is_stored(answer: Any) -> bool:
    """Return whether an answer is one of SET: OK, or nothing if NX found the key."""
    return answer is True or answer is None


def _is_list(answer: Any) -> bool:
    return isinstance(answer, list)


def _is_message(answer: Any) -> bool:
    """Return whether an answer is one of a blocking read: key, member, and score, or
    none.
    """
    return answer is None or (isinstance(answer, list | tuple) and len(answer) == 3)


# The forms of the answers to the commands that this product sends.
FORMS: dict[str, Callable[[Any], bool]] = {
    "GET": _is_value,
    "SET": _is_stored,
    "DEL": _is_count,
    "EXISTS": _is_count,
    "EXPIRE": _is_count,
    "PERSIST": _is_count,
    "INCRBY": _is_count,
    "MGET": _is_list,
    "PUBLISH": _is_count,
    "ZADD": _is_count,
    "ZCARD": _is_count,
    "ZRANGE": _is_list,
    "BZPOPMIN": _is_message,
    "EVALSHA": _is_list,
    "HGET": _is_value,
    "HSET": _is_count,
    "HEXISTS": _is_count,
    "HSETNX": _is_count,
}


class CheckedRedis(redis.Redis):
    """A client of Redis that raises InvalidResponse for an answer that the command
    can't have.
    """

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        has_form = FORMS.get(command_name)
        if has_form is not None and not has_form(answer):
            # Whatever answers, what else it sent belongs to no later command.
            connection.disconnect()
            raise InvalidResponse(f"{command_name} was answered by what is no answer to it.")
        return answer
