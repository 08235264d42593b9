"""`manage.py check_model` as an operator calls it, against the sandbox over HTTP."""

import json

import pytest
from django.core.management import call_command

from apps.metrics.models import LlmDialect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def check(capsys):
    def check():
        with pytest.raises(SystemExit) as ended:
            call_command("check_model", "--json")
        found = json.loads(capsys.readouterr().out)
        assert found["exit"] == ended.value.code
        return found

    return check


def test_working_model_ends_with_0_and_is_remembered(model, check):
    model.faults({"llm": "wants_both"})
    found = check()
    assert (found["exit"], found["status"], found["length"]) == (
        0,
        "works",
        "max_completion_tokens",
    )
    assert LlmDialect.objects.get().temperature is False


@pytest.mark.parametrize(
    ("fault", "exit_status", "status"),
    [
        ({"status": 401}, 1, "refused"),
        ({"status": 503}, 1, "broken"),
        ({"disconnect": True}, 1, "broken"),
        ({"llm": "empty"}, 1, "nonsense"),
        ({"llm": "quota"}, 2, "waits"),
        ({"status": 429}, 2, "waits"),
    ],
)
def test_fault_ends_with_its_status(model, check, fault, exit_status, status):
    model.faults(fault)
    found = check()
    assert (found["exit"], found["status"]) == (exit_status, status)


def test_no_model_ends_with_3(check, settings):
    settings.GROQ_API_KEY, settings.LLM_BASE_URL_GIVEN = "", False
    assert check()["exit"] == 3


def test_key_is_never_printed(model, check, settings):
    settings.GROQ_API_KEY = "of-no-known-shape"
    model.faults({"llm": "key_echo"})
    assert "of-no-known-shape" not in json.dumps(check())


def test_lines_have_the_server_and_the_model(model, capsys, settings):
    with pytest.raises(SystemExit):
        call_command("check_model")
    out = capsys.readouterr().out
    assert settings.LLM_BASE_URL in out
    assert settings.LLM_MODEL in out
    assert len(out.splitlines()) <= 24
