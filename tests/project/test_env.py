from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from project.env import ConfigurationError, Env, read

KEY = "kLmSgP1tLxQw5mEJ6ZpO0Yq3dC2bVnAhR7uTfXyGz8I="


def problem(read_one, value):
    env = Env({"NAME": value})
    read_one(env)
    with pytest.raises(ConfigurationError) as error:
        env.finish()
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (lambda env: env.boolean("NAME"), "maybe"),
        (lambda env: env.port("NAME", 8000), "80000"),
        (lambda env: env.port("NAME", 8000), "http"),
        (lambda env: env.port("NAME", 8000), "²"),
        (lambda env: env.hosts("NAME", []), "https://app.example.com"),
        (lambda env: env.hosts("NAME", []), "app.example.com:8000"),
        (lambda env: env.people("NAME"), "ada@example.com, alan"),
        (lambda env: env.address("NAME", "a@b"), "Firstlight"),
        (lambda env: env.web_url("NAME", ""), "api.github.com"),
        (lambda env: env.web_url("NAME", ""), "ftp://example.com"),
        (lambda env: env.web_url("NAME", ""), "https://example.com:port"),
        (lambda env: env.web_url("NAME", "", bare=True), "https://example.com/below"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_and_what_is_expected(reader, value):
    message = problem(reader, value)
    assert message.startswith(f"NAME is {value!r}; expected ")


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (lambda env: env.redis_url("NAME"), "http://:hunter2@localhost"),
        (lambda env: env.fernet_keys("NAME", []), f"{KEY},hunter2"),
        (lambda env: env.database("NAME", Path("db")), "mysql://user:hunter2@localhost/name"),
        (lambda env: env.database("NAME", Path("db")), "postgresql://user:hunter2@localhost"),
        (
            lambda env: env.database("NAME", Path("db")),
            "postgresql://user:hunter2@localhost/name?pool_size=many",
        ),
        (lambda env: env.mailer("NAME", required=False), "smtp:user:hunter2"),
        (lambda env: env.mailer("NAME", required=False), "imap://user:hunter2@localhost"),
    ],
)
def test_a_bad_value_that_may_hold_a_secret_is_not_repeated(reader, value):
    message = problem(reader, value)
    assert message.startswith("NAME has an unusable value; expected ")
    assert "hunter2" not in message


def test_all_mistakes_are_told_at_once():
    env = Env({"PORT": "x", "DEBUG": "x"})
    env.port("PORT", 1)
    env.boolean("DEBUG")
    env.required("SECRET_KEY", "a long random text")
    with pytest.raises(ConfigurationError) as error:
        env.finish()
    assert [line.split()[0] for line in str(error.value).splitlines()] == [
        "PORT",
        "DEBUG",
        "SECRET_KEY",
    ]


def test_an_empty_value_counts_as_unset():
    env = Env({"NAME": " "})
    assert env.port("NAME", 8000) == 8000
    assert env.boolean("NAME", True) is True
    assert env.hosts("NAME", ["localhost"]) == ["localhost"]
    assert env.mailer("NAME", required=False) is None
    env.finish()


@pytest.mark.parametrize(
    "hosts", ["app.example.com", ".example.com", "*", "localhost, 127.0.0.1,[::1]"]
)
def test_hosts_are_taken_as_django_takes_them(hosts):
    env = Env({"NAME": hosts})
    assert env.hosts("NAME", []) == [host.strip() for host in hosts.split(",")]
    env.finish()


def test_without_an_address_the_database_is_a_file_that_web_and_worker_share(tmp_path):
    database = Env({}).database("DATABASE_URL", tmp_path / "db.sqlite3")
    assert database["NAME"] == tmp_path / "db.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_a_postgresql_address_is_taken_apart():
    address = (
        "postgresql://ann:p%40ss@db.example.com:6543/first%20light?sslmode=require&pool_size=7"
    )
    database = Env({"DATABASE_URL": address}).database("DATABASE_URL", Path("unused"))
    assert (database["USER"], database["PASSWORD"]) == ("ann", "p@ss")
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "db.example.com",
        "6543",
        "first light",
    )
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["pool"]["max_size"] == 7
    assert database["OPTIONS"]["options"] == "-c idle_in_transaction_session_timeout=60s"


def test_the_database_frees_the_rows_of_a_process_that_froze(postgres_url):
    address = f"{postgres_url}?options=-c%20idle_in_transaction_session_timeout=300ms"
    options = Env({"DATABASE_URL": address}).database("DATABASE_URL", Path("unused"))[
        "OPTIONS"
    ]["options"]
    frozen, waiting = (
        psycopg.connect(postgres_url, options=options),
        psycopg.connect(postgres_url),
    )
    with closing(frozen), closing(waiting):
        frozen.execute("SELECT pg_advisory_xact_lock(1)")
        waiting.execute("SET lock_timeout = '20s'")
        waiting.execute("SELECT pg_advisory_xact_lock(1)")


SMTP = "apps.mail.server.SmtpBackend"


@pytest.mark.parametrize(
    ("address", "backend", "options"),
    [
        ("console:", "django.core.mail.backends.console.EmailBackend", {}),
        (
            "filebased:///var/mails",
            "django.core.mail.backends.filebased.EmailBackend",
            {"file_path": "/var/mails"},
        ),
        (
            "smtp://localhost",
            SMTP,
            {"port": 25, "use_tls": False, "use_ssl": False, "username": ""},
        ),
        (
            "smtp://ann:p%40ss@mx/?tls=1",
            SMTP,
            {"port": 587, "use_tls": True, "username": "ann", "password": "p@ss"},
        ),
        (
            "smtps://mx:4650",
            SMTP,
            {"host": "mx", "port": 4650, "use_ssl": True, "use_tls": False},
        ),
    ],
)
def test_a_mail_address_becomes_a_mailer(address, backend, options):
    mailer = Env({"EMAIL_URL": address}).mailer("EMAIL_URL", required=True)
    assert mailer["BACKEND"] == backend
    assert mailer.get("OPTIONS", {}).items() >= options.items()


@pytest.mark.parametrize(
    ("address", "provider", "options"),
    [
        (
            "mailgun://k%2Fey@mg.acme.example",
            "mailgun",
            {"api_key": "k/ey", "sender_domain": "mg.acme.example"},
        ),
        ("postmark://token@", "postmark", {"server_token": "token", "timeout": 20}),
        (
            "resend://key@?api_url=http://localhost:1/",
            "resend",
            {"api_key": "key", "api_url": "http://localhost:1/"},
        ),
    ],
)
def test_a_mail_service_is_spoken_to_by_its_own_interface(address, provider, options):
    mailer = Env({"EMAIL_URL": address}).mailer("EMAIL_URL", required=True)
    assert mailer["BACKEND"] == f"anymail.backends.{provider}.EmailBackend"
    assert mailer["OPTIONS"].items() >= options.items()


@pytest.mark.parametrize("address", ["mailgun://key@", "postmark://", "pigeon://key@loft"])
def test_a_mail_service_without_its_secret_or_unknown_is_refused(address):
    env = Env({"EMAIL_URL": address})
    assert env.mailer("EMAIL_URL", required=True) is None
    with pytest.raises(ConfigurationError, match="EMAIL_URL"):
        env.finish()


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    dotenv = tmp_path / ".env"
    dotenv.write_text("# a comment\nFIRST_VALUE=from the file\nSECOND_VALUE='from the file'\n")
    monkeypatch.setenv("FIRST_VALUE", "from the environment")
    monkeypatch.setenv("FIRSTLIGHT_DOTENV", "1")
    values = read(dotenv)
    assert (values["FIRST_VALUE"], values["SECOND_VALUE"]) == (
        "from the environment",
        "from the file",
    )


def test_the_file_can_be_left_out(tmp_path, monkeypatch):
    dotenv = tmp_path / ".env"
    dotenv.write_text("SECOND_VALUE=from the file\n")
    monkeypatch.setenv("FIRSTLIGHT_DOTENV", "0")
    assert "SECOND_VALUE" not in read(dotenv)
