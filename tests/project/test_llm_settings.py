"""Mistakes in the settings of the language model end the start with one sentence each."""

import pytest

from tests.project.test_settings import PRODUCTION


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GROQ_API_KEY", "gsk_\u00e9\u201d"),
        ("GROQ_API_KEY", "gsk_one two"),
        ("GROQ_API_KEY", "Bearer\tgsk_one"),
        ("LLM_BASE_URL", "api.openai.com/v1"),
        ("LLM_BASE_URL", "https://api.example.com/v1?api-version=1"),
        ("LLM_MODEL", "gpt\n5"),
        ("LLM_PATIENCE", "two minutes"),
        ("LLM_PATIENCE", "0"),
        ("SSL_CERT_FILE", "/nonexistent.pem"),
        ("SSL_CERT_FILE", "/etc/hostname"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ],
)
def test_mistake_ends_the_start_with_one_line(start, variable, value):
    done = start("manage.py", "check", **PRODUCTION, **{variable: value})
    assert done.returncode == 78
    assert [line.split()[0] for line in done.stderr.splitlines()] == [variable]
    if variable == "GROQ_API_KEY":
        assert value not in done.stderr


def test_address_of_the_request_itself_is_understood(start):
    show = "from project import settings; print(settings.LLM_BASE_URL)"
    address = "https://api.example.com/v1/chat/completions"
    done = start("-c", show, **PRODUCTION, LLM_BASE_URL=address)
    assert done.stdout.strip() == "https://api.example.com/v1"
