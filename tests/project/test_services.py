import psycopg
import pytest
import redis

from tests import services


def test_the_redis_server_answers(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.set("greeting", "hello")
        assert client.get("greeting") == b"hello"


def test_the_postgres_server_lets_its_user_make_databases(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE made_by_a_test")
        connection.execute("DROP DATABASE made_by_a_test")


def test_a_missing_program_skips_the_test_and_says_why(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(
        pytest.skip.Exception, match="no-such-program is not installed: it is made up"
    ):
        services.require("no-such-program", "it is made up")


def test_a_missing_program_fails_the_test_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        services.require("no-such-program", "it is made up")
