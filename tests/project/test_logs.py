import json
import logging
import logging.config

from apps.pipelines.logs import written_in
from apps.pipelines.models import Run, StepRun
from project.log_limits import MAX_KINDS, WINDOW, WITH_TRACEBACK, Limiter
from project.logs import ACCESS_FIELDS, AccessFilter, LineFormatter, settings_for


def records(capsys, write):
    config = settings_for(debug=False)
    config["handlers"]["stderr"]["stream"] = "ext://sys.stderr"
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logging.config.dictConfig(config)
        write(logging.getLogger("apps.somewhere"))
        for handler in root.handlers:
            handler.close()
    finally:
        root.handlers, root.level = before
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_in_production_each_record_is_one_json_object(capsys):
    [record] = records(capsys, lambda log: log.warning("Two\nlines of %s.", "text"))
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "warning",
        "logger": "apps.somewhere",
        "message": "Two\nlines of text.",
    }


def test_what_is_written_in_a_step_names_it(capsys):
    run = Run()
    step = StepRun(run=run, key="sync", attempt=3)

    def write(log):
        with written_in(step):
            log.info("inside")
        log.info("outside")

    inside, outside = records(capsys, write)
    assert (inside["run"], inside["step"], inside["attempt"]) == (str(run.pk), "sync", 3)
    assert "run" not in outside


def test_an_exception_travels_with_its_traceback(capsys):
    def write(log):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            log.exception("It failed.")

    [record] = records(capsys, write)
    assert "ZeroDivisionError: division by zero" in record["exception"]


SECRET = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


def test_secrets_are_masked_in_message_arguments_and_exception(capsys):
    def write(log):
        try:
            raise ValueError(f"postgresql://app:hunter2@db/app {SECRET}")
        except ValueError:
            log.exception(
                "GET %s of %r", "/invitations/Yq3vXbT0aL1mNoPq/", {"password": "tr0ub4dor"}
            )

    [record] = records(capsys, write)
    whole = json.dumps(record)
    assert "ValueError" in record["exception"]
    for secret in (SECRET, "hunter2", "Yq3vXbT0aL1mNoPq", "tr0ub4dor"):
        assert secret not in whole


def test_private_key_leaves_the_record_valid_json(capsys):
    [record] = records(
        capsys, lambda log: log.error('-----BEGIN PRIVATE KEY-----\nMIIE " and more')
    )
    assert record["level"] == "error"
    assert "MIIE" not in record["message"]


def test_lines_of_development_are_masked(capsys):
    formatter = LineFormatter("{levelname} {message}", style="{")
    record = logging.LogRecord("a", logging.INFO, __file__, 1, "token %s", (SECRET,), None)
    assert formatter.format(record) == "INFO token [masked]"


def test_access_log_has_no_query_and_no_door():
    record = logging.LogRecord(
        "uvicorn.access",
        logging.INFO,
        __file__,
        1,
        '%s - "%s %s HTTP/%s" %d',
        (
            "127.0.0.1:5",
            "GET",
            "/accounts/login/?next=/t/acme/&email=a%40example.com",
            "1.1",
            200,
        ),
        None,
    )
    AccessFilter().filter(record)
    assert record.getMessage() == '127.0.0.1:5 - "GET /accounts/login/ HTTP/1.1" 200'


def test_access_log_has_the_parts_of_a_request_as_masked_fields(capsys):
    def write(_log):
        log = logging.getLogger("uvicorn.access")
        door = "/invitations/Yq3vXbT0aL1mNoPq/?next=a%40example.com"
        log.info(
            '%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", "/t/acme/?q=Change", "1.1", 200
        )
        log.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "POST", door, "1.1", 404)

    page, door = records(capsys, write)
    fields = {name: page[name] for name in ACCESS_FIELDS}
    assert fields == {
        "client": "127.0.0.1:5",
        "method": "GET",
        "path": "/t/acme/",
        "status": 200,
    }
    assert (door["method"], door["status"]) == ("POST", 404)
    assert "Yq3vXbT0aL1mNoPq" not in json.dumps(door)
    assert "example.com" not in json.dumps(door)


def test_repeated_failure_is_counted(capsys):
    def write(log):
        for number in range(1_000):
            try:
                raise OSError(number)
            except OSError:
                log.exception("Round %d failed.", number)
        log.info("Meanwhile")

    found = records(capsys, write)
    assert len(found) == WITH_TRACEBACK + 2  # the handler's end writes the count
    assert [record["message"] for record in found][:2] == ["Round 0 failed.", "Round 1 failed."]
    assert found[-1]["message"].startswith("Round 999 failed. (and 997 more in")


def test_other_failures_are_written_beside_a_repeated_one(capsys):
    def write(log):
        for _ in range(50):
            log.warning("Again")
        log.warning("Once")
        log.error("Again")

    found = [(record["level"], record["message"]) for record in records(capsys, write)]
    assert ("warning", "Once") in found
    assert ("error", "Again") in found


def test_window_ends_with_a_count(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    limiter = Limiter()
    record = logging.LogRecord("a", logging.WARNING, __file__, 1, "Again", (), None)
    for _ in range(100):
        limiter.admit(record)
    now = WINDOW + 1
    other = logging.LogRecord("b", logging.INFO, __file__, 1, "Other", (), None)
    assert [one.getMessage() for one in limiter.admit(other)] == [
        "Again (and 89 more in 61 s)",
        "Other",
    ]
    # It still goes on: counted from now, and written once a window.
    assert limiter.admit(record) == []
    now = 2 * WINDOW + 2
    assert [one.getMessage() for one in limiter.admit(other)] == ["Again", "Other"]
    now = 3 * WINDOW + 3
    assert limiter.admit(record) == [record]


def test_many_kinds_of_failures_take_bounded_memory():
    limiter = Limiter()
    for number in range(5_000):
        limiter.admit(
            logging.LogRecord("a", logging.WARNING, f"f{number}.py", 1, "Again", (), None)
        )
    assert len(limiter._windows) <= MAX_KINDS + 1


def test_traceback_is_bounded(capsys):
    def fail(depth):
        return fail(depth - 1) + 1 if depth else int("x" * 10_000)

    def write(log):
        try:
            fail(300)
        except ValueError:
            log.exception("It failed: %s", "x" * 50_000)

    [record] = records(capsys, write)
    assert len(json.dumps(record)) < 12_000
    assert record["exception"].startswith("Traceback")


def test_record_that_cannot_be_formatted_shows_no_arguments(capsys):
    config = settings_for(debug=False)
    config["handlers"]["stderr"]["stream"] = "ext://sys.stderr"
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logging.config.dictConfig(config)
        logging.getLogger("apps.somewhere").warning("%d", SECRET)
    finally:
        root.handlers, root.level = before
    err = capsys.readouterr().err
    assert SECRET not in err
    assert "apps.somewhere" in err


def test_nothing_mails_the_settings():
    config = settings_for(debug=False)
    assert "AdminEmailHandler" not in json.dumps(config)
    assert config["loggers"]["django"]["handlers"] == []
