"""People sign in, sign up, and reset passwords while Redis is away."""

import os
import signal
import socket
import time

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.core.cache import caches
from django.test import Client

from apps.users.models import User
from tests import services

PASSWORD = "Correct-Horse-9-Battery"
PLAIN, OURS = "django.core.cache.backends.redis.RedisCache", "apps.caches.FallbackRedisCache"


def use_cache(settings, backend, url):
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": url}}


@pytest.mark.parametrize("backend", [PLAIN, OURS])
def test_dead_port_lets_people_sign_in(db, settings, backend):
    User.objects.create_user("a@example.com", PASSWORD)
    use_cache(settings, backend, "redis://127.0.0.1:1/0")
    client = Client(raise_request_exception=False)
    assert (
        client.post(
            "/accounts/login/", {"login": "a@example.com", "password": PASSWORD}
        ).status_code
        == 302
    )


def test_silent_server_costs_one_short_timeout(db, settings):
    """A server that accepts connections and never answers."""
    User.objects.create_user("a@example.com", PASSWORD)
    with socket.create_server(("127.0.0.1", 0)) as server:
        use_cache(settings, OURS, f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        client, start = Client(raise_request_exception=False), time.monotonic()
        data = {"login": "a@example.com", "password": PASSWORD}
        assert client.post("/accounts/login/", data).status_code == 302
        assert (
            client.post("/accounts/password/reset/", {"email": "a@example.com"}).status_code
            == 302
        )
        sign_up = {"email": "b@example.com", "password1": PASSWORD, "password2": PASSWORD}
        assert Client().post("/accounts/signup/", sign_up).status_code == 302
        assert time.monotonic() - start < 3


def test_limits_hold_in_memory(db, settings):
    use_cache(settings, OURS, "redis://127.0.0.1:1/0")
    for number in range(12):
        answer = Client().post(
            "/accounts/login/", {"login": f"{number}@example.com", "password": "wrong"}
        )
    assert "_auth_user_id" not in answer.wsgi_request.session
    User.objects.create_user("a@example.com", PASSWORD)
    assert (
        Client()
        .post("/accounts/login/", {"login": "a@example.com", "password": PASSWORD})
        .status_code
        == 200
    )


def test_one_time_code_works_once_in_memory(db, settings, monkeypatch):
    use_cache(settings, OURS, "redis://127.0.0.1:1/0")
    secret = totp.generate_totp_secret()
    user = User.objects.create_user("a@example.com", PASSWORD)
    factor = totp.TOTP.activate(user, secret)
    code = totp.format_hotp_value(
        totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time())))
    )
    assert factor.validate_code(code)
    assert not factor.validate_code(code)


def test_cache_uses_redis_again_after_an_outage(settings, monkeypatch):
    monkeypatch.setattr("apps.caches.PAUSE", 0.1)
    with services.redis_server() as url:
        use_cache(settings, OURS, url)
        caches["default"].set("key", "in redis")
        assert caches["default"].get("key") == "in redis"
        pid = int(caches["default"]._cache.get_client().info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            assert caches["default"].get("key") is None
            caches["default"].set("key", "in memory")
            assert caches["default"].get("key") == "in memory"
        finally:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.2)
        assert caches["default"].get("key") == "in redis"
