"""The PostgreSQL and the Redis of a session with SERVERS=1, and how processes of a test
find its database.
"""

import atexit
import contextlib
import os

from tests import services


def addresses():
    """The environment of this session: of pytest itself, or of one of pytest-xdist's
    workers.

    The first starts the servers, which end with it. Workers share them; each has
    messages of its own, and a database of its own by pytest-django.
    """
    if "TEST_SERVERS" not in os.environ:
        stack = contextlib.ExitStack()
        atexit.register(_close_in, os.getpid(), stack)
        os.environ["TEST_SERVERS"] = " ".join(
            (
                stack.enter_context(services.postgres_server()),
                stack.enter_context(services.redis_server()),
            )
        )
    postgres, redis = os.environ["TEST_SERVERS"].split()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw-1")
    number = int(worker.removeprefix("gw")) + 1
    return {"DATABASE_URL": postgres, "REDIS_URL": f"{redis.removesuffix('/0')}/{number}"}


def _close_in(pid, stack):
    """End the servers in the process that started them: a forked child runs what was
    registered, too.
    """
    if os.getpid() == pid:
        stack.close()


def database_url(connection):
    """The address of the database that a test has open, for the processes that it
    starts.
    """
    at = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{at['NAME']}"
    return f"postgresql://{at['USER']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
