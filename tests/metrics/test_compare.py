"""Two choices beside each other: what they are made of, and what is said of their
difference.
"""

import random
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from apps.metrics.factories import RepositoryFactory, TeamMemberFactory
from apps.metrics.figures.selection import choices
from apps.metrics.pages import compared_groups
from apps.metrics.pages.compared_groups import (
    NO_CAUSE,
    NO_DIFFERENCE,
    NOT_ENOUGH,
)
from tests.metrics.pages import MONDAY, merged, words

NOW = MONDAY + timedelta(days=2)


def sides(team, **asked):
    return compared_groups.read(asked, choices(team.pk), team.pk, NOW)


def lines(team, **asked):
    first, second, _ = sides(team, **asked)
    made = compared_groups.lines(
        first,
        second,
        compared_groups.figures_of(team.pk, first),
        compared_groups.figures_of(team.pk, second),
    )
    return {line.title: line for line in made}


@pytest.fixture
def slower(repository):
    """Twelve weeks of 1 to 9 hours, then twelve of 11 to 29 hours; every second one by
    AI.
    """
    dice = random.Random(4)
    author = TeamMemberFactory(team=repository.team, name="Ada")
    for weeks_ago in range(24):
        for n in range(4):
            hours = dice.uniform(11, 29) if weeks_ago < 12 else dice.uniform(1, 9)
            merged(
                repository,
                weeks_ago,
                hours,
                author=author,
                additions=dice.choice([5, 50]),
                deletions=0,
                ai_assisted=n % 2 == 0,
            )


def test_unasked_it_compares_the_newest_weeks_with_those_before(team, slower):
    first, second, _ = sides(team)
    assert [len(side.period.weeks) for side in (first, second)] == [12, 12]
    assert second.period.until == first.period.since
    found = lines(team)["Time to merge"]
    assert found.words.startswith("A is ")
    assert (found.tone, found.aside_first[-4:]) == ("worse", "n 48")
    assert (lines(team)["Merged"].first, lines(team)["Merged"].second) == ("48", "48")


def test_what_is_alike_is_not_told_apart(team, slower):
    """Of one period, with a marker and without: planted was no difference."""
    found = lines(
        team,
        a_verdict="assisted",
        b_verdict="no-marker",
        b_from=str(sides(team)[0].period.weeks[0]),
        b_to=str(MONDAY.date()),
    )
    assert found["Time to merge"].words == NO_DIFFERENCE
    assert found["Time to merge"].tone == ""
    assert (found["Merged"].first, found["Merged"].second) == ("24", "24")
    assert "AI-assisted (at least)" not in found


def test_a_difference_of_sizes_is_none_of_making(team, repository):
    """AI's pull requests here are small ones, and small ones are quick: within each
    size there is no difference.
    """
    dice = random.Random(5)
    for weeks_ago in range(10):
        for n in range(12):
            small = n % 4 != 3 if n < 6 else n % 4 == 3
            hours = dice.uniform(1, 5) if small else dice.uniform(30, 60)
            merged(
                repository,
                weeks_ago,
                hours,
                additions=10 if small else 400,
                deletions=0,
                ai_assisted=n < 6,
            )
    period = {
        "a_from": "2025-11-01",
        "b_from": "2025-11-01",
        "a_to": str(MONDAY.date()),
        "b_to": str(MONDAY.date()),
    }
    found = lines(team, a_verdict="assisted", b_verdict="no-marker", **period)
    assert found["Time to merge"].tone == ""
    assert found["Size"].tone == "better"


def test_too_few_are_not_judged(team, repository):
    for weeks_ago in range(4):
        merged(repository, weeks_ago, 40 if weeks_ago < 2 else 2)
    found = lines(
        team,
        a_from=str((MONDAY - timedelta(weeks=1)).date()),
        b_from="2026-01-01",
        b_to="2026-01-31",
    )
    assert found["Time to merge"].words == NOT_ENOUGH.format(20)
    assert found["AI-assisted (at least)"].words == NOT_ENOUGH.format(40)


@pytest.mark.parametrize("asked", ["2026-13-99", "0001-01-01", "9999-12-31", "x", "1999-01-01"])
def test_dates_that_lead_nowhere_are_cut_to_the_history(team, slower, asked):
    first, second, newest = sides(team, a_from=asked, a_to=asked, b_from=asked)
    for side in (first, second):
        assert side.period.weeks
        assert newest.earliest <= side.period.weeks[0] <= side.period.weeks[-1] <= MONDAY.date()


def test_the_page_says_it_in_words_and_its_address_says_it_all(team, slower, visit):
    other = RepositoryFactory(team=team, full_name="acme/web")
    merged(other, 1, 5)
    page = visit(
        "compare", a_repository=str(other.pk), a_from="2026-01-05", b_verdict="no-marker"
    )
    text = words(page)
    assert "Side A: acme/web" in text
    assert NO_CAUSE in text
    first, second, _ = sides(
        team, a_repository=str(other.pk), a_from="2026-01-05", b_verdict="no-marker"
    )
    address = {
        name: values[0]
        for name, values in parse_qs(compared_groups.query_of(first, second)).items()
    }
    assert sides(team, **address)[:2] == (first, second)
    assert 'id="content"' in visit("compare", htmx=True).content.decode()
    assert "<html" not in visit("compare", htmx=True).content.decode()


def test_no_line_crosses_a_week_without_values(team, repository, visit):
    for weeks_ago in (0, 1, 4, 5):
        merged(repository, weeks_ago, 5)
    chart = compared_groups.chart(
        *(compared_groups.figures_of(team.pk, side) for side in sides(team)[:2])
    )
    assert chart.count('<polyline class="median"') == 2


def test_a_team_without_a_single_merge_gets_a_page(team, visit):
    assert "Not enough data" in words(visit("compare"))


def test_its_numbers_can_be_taken_along(team, slower, visit):
    weeks = visit("compare", **{"as": "json"}).json()["weeks"]
    assert [row["side"] for row in weeks] == ["A"] * 12 + ["B"] * 12
    assert sum(row["n"] for row in weeks if row["side"] == "A") == 48
    lines = visit("compare", **{"as": "csv"}).content.decode("utf-8-sig").splitlines()
    assert (
        lines[0] == "side,week,week_start,time_to_merge_hours_median,time_to_merge_hours_p75,n"
    )
    assert len(lines) == 25
    assert "as=csv" in visit("compare").content.decode()
