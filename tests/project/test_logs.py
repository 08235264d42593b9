import json
import logging
import logging.config

from apps.pipelines.logs import written_in
from apps.pipelines.models import Run, StepRun
from project.logs import settings_for


def records(capsys, write):
    config = settings_for(debug=False)
    config["handlers"]["stderr"]["stream"] = "ext://sys.stderr"
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logging.config.dictConfig(config)
        write(logging.getLogger("apps.somewhere"))
    finally:
        root.handlers, root.level = before
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_in_production_each_record_is_one_json_object(capsys):
    [record] = records(capsys, lambda log: log.warning("Two\nlines of %s.", "text"))
    assert record.pop("timestamp").endswith("Z")
    assert record == {"level": "warning", "logger": "apps.somewhere", "message": "Two\nlines of text."}


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
