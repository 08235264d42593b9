"""The boundary to the language model: no bytes of a server make it raise, and nothing
unbounded passes it.
"""

import os
from datetime import timedelta

import hypothesis
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given

from apps.metrics.llm import dialect, limits, prompt
from apps.metrics.llm.answers import check
from apps.metrics.llm.client import LlmClient
from apps.metrics.llm.outcomes import Answer, Broken, Cause, Refused, WaitUntil
from apps.metrics.llm.wording import passed
from apps.pipelines.remedy import Remedy
from tests.faults.answers import ANSWERS
from tests.faults.neighbor import start_neighbor

QUICK, LONG, BATCH = 200, 10_000, 500
DOCUMENT = prompt.document(
    1,
    title="fix: A",
    body="B",
    branch="c",
    labels=[],
    size=(1, 1, 1),
    messages=["d"],
    reviews={},
)


@pytest.fixture(scope="module")
def neighbor():
    with start_neighbor() as neighbor:
        yield neighbor


@pytest.fixture
def asked(neighbor, settings):
    """Return a function that asks a server of these bytes, and checks what passes the
    boundary.
    """
    settings.LLM_BASE_URL, settings.GROQ_API_KEY = (
        f"{neighbor.url}/v1",
        "gsk_a-key-of-the-tests",
    )
    messages, refs = prompt.messages([DOCUMENT])

    def ask(content, **more):
        neighbor.answers(content, **more)
        outcome = LlmClient(dialect.Dialect()).ask(messages, 1, seconds=5)
        assert isinstance(outcome, Answer | WaitUntil | Refused | Broken)
        if isinstance(outcome, Answer):
            assert 0 < outcome.tokens_in <= limits.MOST_TOKENS
            assert 0 < outcome.tokens_out <= limits.MOST_TOKENS * 2
            assert all(isinstance(text, str) for text in outcome.texts)
            good, bad = check(outcome.texts, refs)
            assert good.keys() | bad.keys() == refs.keys()
            assert all(len(why) <= 500 for why in bad.values())
            assert all(
                isinstance(passed(text, [{"title": "A"}])[0], str) for text in outcome.texts
            )
            return outcome
        assert outcome.cause in list(Cause)
        assert outcome.cause != Cause.UNEXPECTED, outcome.detail
        for text in (outcome.reason, outcome.detail):
            assert len(text) <= 500
            assert "\x00" not in text
            text.encode()
        if isinstance(outcome, WaitUntil) and outcome.pause is not None:
            assert timedelta(0) <= outcome.pause <= limits.LONGEST_PAUSE
            assert timezone.now() + outcome.pause
        if isinstance(outcome, Refused):
            assert outcome.remedy in list(Remedy)
        return outcome

    return ask


def feed(asked, examples, seed):
    """Ask for so many random answers."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=False,
    )
    @given(content=ANSWERS)
    def no_answer_passes_as_an_exception(content):
        asked(content)

    no_answer_passes_as_an_exception()


def test_random_answers_become_typed_outcomes(asked):
    feed(asked, QUICK, seed=1)


@pytest.mark.long
def test_ten_thousand_random_answers_become_typed_outcomes(asked, trial):
    cases = 0
    while trial.goes_on(seconds=60) or (cases < LONG and not os.environ.get("SECONDS")):
        feed(asked, BATCH, seed=trial.seed * 1000 + cases // BATCH)
        cases += BATCH
    trial.reached(cases, floor=LONG)


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"", {}),
        (b"", {"then": "reset"}),
        (OK, {"then": "reset"}),
        (b"SSH-2.0-OpenSSH_9.7\r\n", {}),
        (OK + b"content-length: 100\r\n\r\n{", {}),
        (OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", {}),
        (OK + b"x: " + b"y" * 200_000 + b"\r\n\r\n{}", {}),
        (OK + b"content-encoding: gzip\r\n\r\nno gzip", {}),
        (OK + b"content-encoding: br\r\n\r\n\x00", {}),
        (OK + b"\r\n" + b" " * 5_000_000, {}),
    ],
    ids=[
        "nothing",
        "reset",
        "reset_in_head",
        "no_http",
        "short",
        "chunks",
        "long_header",
        "gzip",
        "brotli",
        "too_long",
    ],
)
def test_broken_bytes_are_a_broken_answer(asked, content, how):
    assert asked(content, **how).cause in (Cause.UNREACHABLE, Cause.UNUSABLE)


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"", {"then": "hang"}),
        (OK, {"then": "hang"}),
        (OK + b"\r\n", {"then": "hang"}),
        (OK + b"\r\n" + b" " * 1000, {"piece": 1, "pause": 0.3}),
        (OK + b"\r\n", {"piece": 1, "pause": 0.3}),
    ],
    ids=["silence", "head_only", "no_body", "body_drips", "head_drips"],
)
def test_answer_ends_at_its_deadline(asked, neighbor, content, how):
    began = timezone.now()
    assert asked(content, **how).cause == Cause.UNREACHABLE
    assert timezone.now() - began < timedelta(seconds=7)


def test_bomb_of_gzip_is_not_unpacked(asked):
    import gzip

    bomb = gzip.compress(b" " * 200_000_000, 9)
    assert (
        asked(OK + b"content-encoding: gzip\r\n\r\n" + bomb).reason == "its answer is too long"
    )


def test_dead_port_is_unreachable(settings, asked):
    settings.LLM_BASE_URL = "http://127.0.0.1:9/v1"
    assert (
        LlmClient(dialect.Dialect()).send([{"role": "user", "content": "a"}], "a", {}, 5).cause
        == Cause.UNREACHABLE
    )


@pytest.mark.parametrize(
    "address",
    ["http://[::1", "http://exa mple", "http://a..b/v1", "http://\u2028/v1", "ftp://a"],
)
def test_unusable_address_is_no_exception(settings, address):
    settings.LLM_BASE_URL = address
    outcome = LlmClient(dialect.Dialect()).send(
        [{"role": "user", "content": "a"}], "a", {}, 5, seconds=2
    )
    assert isinstance(outcome, Broken)
    assert outcome.cause == Cause.UNREACHABLE
