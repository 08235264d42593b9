"""Keep the cache working while Redis does not: values go to the process's own memory
meanwhile.

Rate limits count in the cache, so without this fallback an outage of Redis would stop
all sign-ins. During the outage each process counts for itself. A limit is then as many
times higher as there are processes, which is acceptable for that time.

After a failure Redis is left alone for `PAUSE` seconds, so that an outage costs one
timeout (at most a second) in that time and not one for each request.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache import BaseCache, cache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.redis_client import UNUSABLE, CheckedRedis

logger = logging.getLogger(__name__)

PAUSE = 5.0
TIMEOUT = 1.0
# Shared by all caches of the process.
memory = LocMemCache("apps.caches", {})


class _Fallback:
    """Call a method of a cache, or that of the memory's cache while the first one
    fails.
    """

    def __init__(self) -> None:
        self._paused_until = 0.0
        self._failing = False

    def call(self, method: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        """Return what `method` returns, or the memory's method `name` if that fails or
        has just failed.
        """
        if time.monotonic() >= self._paused_until:
            try:
                result = method(*args, **kwargs)
            except UNUSABLE as error:
                if isinstance(error, ValueError) and name == "incr":
                    # There is no such key.
                    raise
                self._note_failure(error)
            else:
                self._note_success()
                return result
        return getattr(memory, name)(*args, **kwargs)

    def _note_failure(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE
        if not self._failing:
            logger.warning(
                "The cache in Redis fails (%s); this process uses its own memory.",
                type(error).__name__,
            )
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            logger.warning("The cache in Redis works again.")
        self._failing = False


class _Client(RedisCacheClient):
    """Django's cache client, with a client of Redis that checks the answers."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._client = CheckedRedis

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        """Set the key if it is not there, and return whether it was set."""
        added: bool = super().add(key, value, timeout)
        if not added:
            # A server that answers nothing to all commands would look as if every key
            # was there.
            self.get_client(key, write=True).exists(key)
        return added

    def get(self, key: Any, default: Any) -> Any:
        """Return the value, or the default if there is none.

        A value that can't be read, such as another program's, counts as none and is
        removed. A server that has no such key shows that it is no Redis by its answer
        to the removal.
        """
        stored = self.get_client(key).get(key)
        if stored is None:
            return default
        value = self._serializer.loads(stored)  # type: ignore[attr-defined]
        if value is None:
            self.delete(key)
            return default
        return value


class FallbackRedisCache(RedisCache):
    """Django's cache in Redis, with short timeouts and the memory's cache during an
    outage.
    """

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        options = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
        }
        super().__init__(server, {**params, "OPTIONS": options | params.get("OPTIONS", {})})
        self._class = _Client
        self._fallback = _Fallback()

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().add, "add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().get, "get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().set, "set", *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().touch, "touch", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().delete, "delete", *args, **kwargs)

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().get_many, "get_many", *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().has_key, "has_key", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().incr, "incr", *args, **kwargs)

    def set_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().set_many, "set_many", *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(super().delete_many, "delete_many", *args, **kwargs)

    def clear(self) -> Any:
        # Values of an earlier outage may still be in the process's memory.
        memory.clear()
        return self._fallback.call(super().clear, "clear")


class TolerantCache:
    """The default cache as allauth uses it, working during an outage whatever its
    backend is.

    With `FallbackRedisCache` as the default cache this adds nothing. It is for settings
    that name Django's own `RedisCache`.
    """

    def __init__(self, of: BaseCache) -> None:
        self._of = of
        self._fallback = _Fallback()

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(self._of.add, "add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(self._of.get, "get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(self._of.set, "set", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._fallback.call(self._of.delete, "delete", *args, **kwargs)


def use_in_allauth() -> None:
    """Let allauth's rate limits and its list of used one-time codes work during an
    outage.

    allauth reads `django.core.cache.cache` and has no setting for another one.
    """
    from allauth.core.internal import ratelimit
    from allauth.mfa.totp.internal import auth as totp

    ratelimit.cache = totp.cache = TolerantCache(cache)
