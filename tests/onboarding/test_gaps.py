"""One cause is stated once, however many things it keeps away."""

import pytest

from apps.onboarding.state.gaps import gaps_of


def lacking(what, why):
    return {"what": what, "why": why}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lacking("acme/api", "No access."), lacking("acme/web", "No access.")),
        (
            lacking("acme/api", "There is no acme/api."),
            lacking("acme/web", "There is no acme/web."),
        ),
        (lacking("torn", "'torn' is damaged."), lacking("a", "'a' is damaged.")),
    ],
)
def test_reasons_that_differ_by_the_name_are_one_gap(first, second):
    [gap] = gaps_of([first, second])
    assert gap.what == (first["what"], second["what"])
    assert first["what"] not in gap.reason.split("'")
    assert "acme/" not in gap.reason


def test_reason_of_one_repository_keeps_its_name():
    [gap] = gaps_of([lacking("torn", "'torn' is damaged.")])
    assert gap.reason == "'torn' is damaged."


def test_short_name_does_not_eat_the_words_of_a_reason():
    first, second = gaps_of(
        [lacking("a", "a part is damaged."), lacking("e", "there is no such file.")]
    )
    assert (first.reason, second.reason) == ("a part is damaged.", "there is no such file.")
