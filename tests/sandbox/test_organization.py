"""The generated organization: the same for the same seed and day, believable, with a
story in it.
"""

import itertools
import statistics
import time
from collections import Counter
from datetime import date, datetime

import pytest

from apps.sandbox import organization

DAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def world():
    return organization.generate(7, DAY)


@pytest.fixture(scope="module")
def pull_requests(world):
    return [
        pr
        for repository in world.repositories.values()
        for pr in repository.pull_requests.values()
    ]


def everything(world):
    return {name: repository.pull_requests for name, repository in world.repositories.items()}


def hours(start, end):
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 3600


def test_seed_and_day_decide(world):
    assert everything(organization.generate(7, DAY)) == everything(world)
    assert everything(organization.generate(8, DAY)) != everything(world)
    assert everything(organization.generate(7, date(2026, 11, 25))) != everything(world)


def test_it_is_made_quickly():
    started = time.process_time()
    organization.generate(7, DAY)
    assert time.process_time() - started < 3


def test_it_has_about_3000_pull_requests_of_a_year(world, pull_requests):
    assert 2_700 < len(pull_requests) < 3_400
    assert min(pr.created_at for pr in pull_requests) < "2025-12-03"
    assert max(pr.updated_at for pr in pull_requests) < "2026-11-24T00:00:00Z"
    assert len(world.repositories) == 10
    assert world.repositories["acme/sandbox-empty"].is_empty
    assert world.repositories["acme/legacy-portal"].is_archived
    assert (
        len({pr.id for pr in pull_requests})
        == len({pr.database_id for pr in pull_requests})
        == len(pull_requests)
    )


def test_moments_are_in_order(pull_requests):
    for pr in pull_requests:
        assert [c.committed_date for c in pr.commits] == sorted(
            c.committed_date for c in pr.commits
        )
        assert [r.submitted_at for r in pr.reviews] == sorted(
            r.submitted_at for r in pr.reviews
        )
        moments = [r.submitted_at for r in pr.reviews] + [
            event.created_at for event in pr.timeline
        ]
        assert all(pr.created_at <= moment <= pr.updated_at for moment in moments)
        assert (
            (pr.state == "MERGED")
            is (pr.merged_at is not None)
            is (pr.merge_commit is not None)
        )
        assert (pr.state == "OPEN") is (pr.closed_at is None)
        assert all(
            commit.committed_date <= (pr.closed_at or pr.updated_at) for commit in pr.commits
        )
        assert sum(c.additions for c in pr.commits) == pr.additions


def test_it_has_what_occurs_in_reality(pull_requests):
    states = Counter(pr.state for pr in pull_requests)
    assert states["OPEN"] > 60
    assert states["CLOSED"] > 150
    kinds = Counter(pr.author.typename if pr.author else None for pr in pull_requests)
    assert kinds["Bot"] > 200
    assert kinds[None] > 30
    assert kinds["Mannequin"] > 5
    assert sum(pr.is_draft for pr in pull_requests) > 20
    assert sum(len(pr.commits) > 100 for pr in pull_requests) == 3
    assert sum(len(pr.reviews) > 50 for pr in pull_requests) == 2
    reviews = Counter(review.state for pr in pull_requests for review in pr.reviews)
    assert (
        min(
            reviews[state]
            for state in ("APPROVED", "COMMENTED", "CHANGES_REQUESTED", "DISMISSED")
        )
        > 50
    )
    events = Counter(event.typename for pr in pull_requests for event in pr.timeline)
    assert min(events["ReadyForReviewEvent"], events["ConvertToDraftEvent"]) > 10
    for pr in pull_requests:
        if pr.author and pr.author.typename == "Bot":
            assert not pr.author.login.endswith("]")
            assert all(commit.author.user is None for commit in pr.commits)
    text = "\n".join(
        f"{pr.title}\n{pr.body}\n" + "\n".join(c.message for c in pr.commits)
        for pr in pull_requests
    )
    for mark in (
        "Co-Authored-By: Claude <noreply@anthropic.com>",
        "Generated with [Claude Code](https://claude.com/claude-code)",
        "+Copilot@users.noreply.github.com",
        "cursoragent@cursor.com",
        "https://app.devin.ai/sessions/",
        "Copilot Autofix powered by AI",
        "Claude Moreau <",
        "cursor pagination",
        "@anthropic-ai/sdk",
        "<script>",
        "修复",
    ):
        assert mark in text, mark


def test_merge_times_are_skewed_and_weekends_quiet(pull_requests):
    merge_hours = [hours(pr.created_at, pr.merged_at) for pr in pull_requests if pr.merged_at]
    assert statistics.median(merge_hours) < statistics.mean(merge_hours)
    weekdays = Counter(datetime.fromisoformat(pr.created_at).weekday() for pr in pull_requests)
    assert weekdays[5] + weekdays[6] < len(pull_requests) / 15


def test_the_story_is_in_the_figures(world):
    def wait(repository, start, end):
        waits = []
        for pr in world.repositories[repository].pull_requests.values():
            people = [
                r.submitted_at
                for r in pr.reviews
                if r.author is None or r.author.typename == "User"
            ]
            if start <= pr.created_at < end and people:
                waits.append(hours(pr.created_at, people[0]))
        return statistics.median(waits)

    assert wait("acme/checkout-api", "2026-08-26", "2026-11-24") > 2.5 * wait(
        "acme/checkout-api", "2026-05-01", "2026-08-20"
    )
    ledger = Counter(
        review.author.login
        for pr in world.repositories["acme/ledger"].pull_requests.values()
        for review in pr.reviews
        if review.author and review.author != pr.author
    )
    assert ledger.most_common(1)[0][0] == "tomasz-zielinski"
    assert ledger["tomasz-zielinski"] > 0.55 * ledger.total()


def test_descriptions_vary(pull_requests):
    titles = Counter(pr.title for pr in pull_requests)
    assert titles.most_common(1)[0][1] < 12
    assert len(titles) > 0.6 * len(pull_requests)
    assert "lorem" not in "".join(itertools.chain(*(pr.body for pr in pull_requests))).lower()
