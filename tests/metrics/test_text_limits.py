"""Texts from outside are stored in a bounded length, and the AI markers at both of
their ends are still found.
"""

import time

import pytest

from apps.metrics.ai.markers import CommitText, read_markers
from apps.metrics.ingest.sanitize import LONGEST, clean_long
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.llm import texts
from apps.metrics.llm.answers import _LINK
from apps.metrics.models import Commit, PullRequest
from tests.metrics.conftest import make_commit, make_pull

TRAILER = "Co-Authored-By: Claude <noreply@anthropic.com>"
FILLER = "Carry totals over.\n" * 120_000


def is_marked(text):
    return read_markers("t", clean_long(text), "b", None, ()).ai_assisted


def test_ingest_stores_a_bounded_length_of_every_long_text(repository):
    commit = make_commit(message=f"Work\n\n{FILLER}\n{TRAILER}")
    data = make_pull(
        title="t" * 5_000,
        body=f"{FILLER}\n{TRAILER}",
        labels=("bug",) * 500,
        commits=(commit,),
        reviews=(),
    )
    ingest_pull_requests(repository, [data])
    pull = PullRequest.objects.for_team(repository.team_id).get()
    message = Commit.objects.for_team(repository.team_id).get().message
    assert (len(pull.title), len(pull.labels)) == (1_000, 100)
    for text in (pull.body, message):
        assert len(text) <= LONGEST
        assert text.endswith(TRAILER)


@pytest.mark.parametrize(
    "text",
    [
        f"{FILLER}\n\n{TRAILER}\n",
        f"Fix it\n\n{TRAILER}\n\n{FILLER}",
        f"```\n{FILLER}```\n\n{TRAILER}\n",  # the fence that ends the code is in the removed part
        f"<!--\n{FILLER}-->\n{FILLER}\n{TRAILER}\n",
        f"{'─' * 2_200_000}\n\n{TRAILER}\n",
    ],
)
def test_a_marker_at_an_end_of_a_long_text_is_found(text):
    assert is_marked(text)


@pytest.mark.parametrize(
    "text",
    [f"{FILLER}```\n{FILLER}{TRAILER}\n```\n", f"{FILLER}<!--\n{FILLER}{TRAILER}\n-->\n"],
)
def test_code_and_comments_that_begin_in_the_removed_part_stay_code_and_comments(text):
    assert not is_marked(text)


def test_a_text_within_the_limit_stays_as_it_is():
    text = "a\n" * (LONGEST // 2)
    assert clean_long(text) == text


@pytest.mark.parametrize("marks", ["\u0316\u0300", "\u0f73", "\uff9e\u0316"])
def test_stacked_marks_are_cut_in_linear_time(marks):
    start = time.process_time()
    shown = texts.visible("e" + marks * 20_000 + " end")
    assert time.process_time() - start < 1  # without the limit, 4 s and more
    assert len(shown) < 100
    assert shown.endswith(" end")


def test_a_few_marks_stay():
    assert texts.visible("Zu\u0308rich e\u0316\u0301") == "Zürich é\u0316"


def test_a_link_with_parentheses_in_its_target_is_removed():
    assert _LINK.sub("", "See [this](https://example.com/a_(b)) now.") == "See  now."
    assert _LINK.sub("", "See [this](java(1)) now.") == "See  now."


def test_a_name_of_several_lines_costs_linear_time():
    name = "gpt-" + "1." * 50_000 + "\nx"
    start = time.process_time()
    read_markers("t", "", "b", None, [CommitText("0" * 40, "m", None, name, "a@b.example")])
    assert time.process_time() - start < 1
