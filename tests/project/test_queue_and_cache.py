"""What a stranger writes to the queue or the cache is never run."""

import os
import pickle
from pathlib import Path

import pytest
import redis
from django.core.cache import caches
from huey.contrib.djhuey import HUEY
from huey.serializer import SignedSerializer
from huey.storage import PriorityRedisStorage

from apps.pipelines.models import RunState
from tests.fixtures.workers import ended, eventually


class Hostile:
    """A pickle that writes a file when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_messages_of_the_queue_are_signed():
    assert isinstance(HUEY.serializer, SignedSerializer)


@pytest.mark.django_db(transaction=True)
def test_worker_drops_unsigned_messages_and_goes_on(lab, workers, tmp_path):
    trap = tmp_path / "trap"
    for name in HUEY.queues:
        HUEY.storage.lanes[name].enqueue(pickle.dumps(Hostile(trap)))
        HUEY.storage.lanes[name].enqueue(pickle.dumps(Hostile(trap)) + b":" + b"0" * 40)
        HUEY.storage.lanes[name].enqueue(b"")
    run = lab.start(items=2)
    workers.start()
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert not trap.exists()


def test_unsigned_message_is_dropped_from_redis(redis_url, tmp_path):
    from apps.pipelines.worker.queues import RedisLaneHuey

    trap = tmp_path / "trap"
    huey = RedisLaneHuey(
        "unsigned", queues=("a",), url=redis_url, serializer=HUEY.serializer, read_timeout=0.1
    )
    assert isinstance(huey.storage.lanes["a"], PriorityRedisStorage)
    huey.storage.lanes["a"].enqueue(pickle.dumps(Hostile(trap)))
    huey.storage.lanes["a"].enqueue(pickle.dumps(Hostile(trap)) + b":" + b"0" * 40)
    assert huey.dequeue() is None
    assert not trap.exists()
    assert huey.pending_count() == 0


def test_pickle_in_the_cache_is_not_read(redis_url, settings, tmp_path):
    trap = tmp_path / "trap"
    options = {"serializer": "project.json_serializer.JsonSerializer"}
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url,
            "OPTIONS": options,
        }
    }
    cache = caches["default"]
    with redis.Redis.from_url(redis_url) as client:
        client.set(cache.make_key("limit"), pickle.dumps(Hostile(trap)))
    assert cache.get("limit") is None
    assert not trap.exists()


def test_cached_values_come_back(redis_url, settings):
    options = {"serializer": "project.json_serializer.JsonSerializer"}
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url,
            "OPTIONS": options,
        }
    }
    cache = caches["default"]
    for value in [1, True, "a", [1.5, 2.5], {"a": None}]:
        cache.set("value", value, 60)
        assert cache.get("value") == value
    cache.set("count", 1, 60)
    assert cache.incr("count") == 2


def test_redis_is_used_with_the_safe_serializer(redis_url, tmp_path):
    import subprocess
    import sys

    env = os.environ | {"REDIS_URL": redis_url, "DJANGO_SETTINGS_MODULE": "project.settings"}
    code = "from project import settings; print(settings.CACHES['default'].get('OPTIONS'))"
    root = Path(__file__).resolve().parents[2]
    out = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "JsonSerializer" in out.stdout
