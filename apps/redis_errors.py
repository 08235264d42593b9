"""What redis-py raises if Redis is away, refuses, or answers what is no answer: `except UNUSABLE`.

Its parser lets exceptions of Python pass, if a proxy or another program answers in place of Redis: int() of a word, a
nesting without end.
"""

from redis.exceptions import RedisError

UNUSABLE = (RedisError, OSError, ValueError, TypeError, RecursionError, OverflowError, MemoryError)
