import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.metrics.factories import PRReviewFactory, PullRequestFactory, RepositoryFactory, TeamMemberFactory
from apps.metrics.facts import Facts, Pull, Review, load
from apps.metrics.findings import find, store
from apps.metrics.insights import Finding, findings
from apps.metrics.models import DetailState, Insight
from apps.metrics.records import PullRequestState, ReviewState

NOW = datetime(2026, 8, 17, 12, tzinfo=UTC)


def make_facts(count=260, seed=1, *, change=None):
    """Half a year of one repository's ordinary work; `change(n, values, is_recent)` plants something."""
    dice = random.Random(seed)
    pulls = []
    for n in range(count):
        created_at = NOW - timedelta(days=182) * (1 - (n + 0.5) / count)
        author = dice.randrange(8)
        values = {
            "author": author,
            "lines": int(dice.lognormvariate(4, 1.2)),
            "wait": dice.lognormvariate(1, 0.8),
            "merge": dice.lognormvariate(1, 0.8),
            "reviewer": dice.choice([other for other in range(8) if other != author]),
            "state": ReviewState.APPROVED,
            "ai": dice.random() < 0.2,
        }
        if change:
            change(dice, values, created_at > NOW - timedelta(weeks=8))
        reviewed_at = created_at + timedelta(hours=values["wait"])
        pulls.append(
            Pull(
                pk=n,
                number=n,
                repository=1,
                author=values["author"],
                by_bot=False,
                is_open=False,
                is_draft=False,
                created_at=created_at,
                updated_at=reviewed_at,
                merged_at=reviewed_at + timedelta(hours=values["merge"]),
                lines=values["lines"],
                ai_assisted=values["ai"],
                has_detail=True,
                reviews=(
                    Review(values["reviewer"], f"person-{values['reviewer']}", False, values["state"], reviewed_at),
                ),
            )
        )
    return Facts(NOW, tuple(pulls), {1: "checkout-api"})


def rules(facts):
    return {finding.rule: finding for finding in findings(facts)}


def test_ordinary_work_gives_no_findings():
    """Over 200 made-up teams no rule raises more than two false alarms."""
    alarms = {}
    for seed in range(200):
        for finding in findings(make_facts(seed=seed)):
            alarms.setdefault(finding.rule, []).append(finding.title)
    assert all(len(titles) <= 2 for titles in alarms.values()), alarms


def test_longer_waits_for_review_are_found():
    def slower(dice, values, is_recent):
        values["wait"] *= 3 if is_recent else 1

    found = rules(make_facts(change=slower))
    assert {"review-wait", "time-to-merge"} == set(found)
    wait = found["review-wait"]
    assert wait.title.startswith("Reviews in checkout-api start after ")
    assert ", up from " in wait.title
    assert wait.evidence["after"] > 2 * wait.evidence["before"]
    assert wait.evidence["n_after"] == pytest.approx(80, abs=3)
    assert wait.evidence["pull_requests"]
    assert "8 weeks to 17 August 2026" in wait.body


def test_shorter_waits_are_found_too():
    def faster(dice, values, is_recent):
        values["wait"] /= 4 if is_recent else 1

    assert ", down from " in rules(make_facts(change=faster))["review-wait"].title


def test_too_few_cases_are_no_trend():
    def slower(dice, values, is_recent):
        values["wait"] *= 10 if is_recent else 1

    assert not findings(make_facts(count=40, change=slower))


def test_a_small_change_is_none_however_sure():
    def slightly_slower(dice, values, is_recent):
        values["wait"] = (2.2 if is_recent else 2.0) + dice.random() / 100

    assert "review-wait" not in rules(make_facts(count=2000, change=slightly_slower))


def test_one_reviewer_for_most_is_found():
    def one(dice, values, is_recent):
        if dice.random() < 0.6 and values["author"] != 3:
            values["reviewer"] = 3

    finding = rules(make_facts(change=one))["review-concentration"]
    assert finding.title.startswith("person-3 gives ")
    assert finding.title.endswith(" of the reviews.")
    assert finding.subject == "team"


def test_large_pull_requests_that_take_longer_are_found():
    def larger(dice, values, is_recent):
        if values["lines"] > 500:
            values["merge"] += 60
        elif dice.random() < 0.2:
            values |= {"lines": 900, "merge": 60 + values["merge"]}

    finding = rules(make_facts(change=larger))["large-pull-requests"]
    assert finding.title.startswith("Pull requests over 500 lines take ")
    assert "association" in finding.body


def test_merges_without_approval_are_found():
    def unapproved(dice, values, is_recent):
        if dice.random() < 0.4:
            values["state"] = ReviewState.COMMENTED

    finding = rules(make_facts(change=unapproved))["merged-without-approval"]
    assert "merges in checkout-api had no approval." in finding.title
    assert 0.2 < finding.evidence["share"] < 0.6


def test_a_team_that_never_approves_is_not_lectured():
    def never(dice, values, is_recent):
        values["state"] = ReviewState.COMMENTED

    assert "merged-without-approval" not in rules(make_facts(change=never))


def test_more_ai_markers_are_found():
    def more(dice, values, is_recent):
        values["ai"] = dice.random() < (0.6 if is_recent else 0.2)

    finding = rules(make_facts(change=more))["ai-share"]
    assert " of merged pull requests carry an AI marker, up from " in finding.title
    assert "unknown" in finding.body


@pytest.fixture
def stale_team(team):
    repository = RepositoryFactory(team=team, full_name="acme/web")
    for days in (40, 50, 60, 70, 80):
        moment = NOW - timedelta(days=days)
        PullRequestFactory(repository=repository, state=PullRequestState.OPEN, created_at=moment)
    PullRequestFactory(
        repository=repository, state=PullRequestState.OPEN, created_at=NOW - timedelta(days=90), is_draft=True
    )
    PullRequestFactory(repository=repository, created_at=NOW - timedelta(hours=6))
    return team


def test_stale_pull_requests_are_found_and_kept_once(stale_team):
    found = find(stale_team.pk, NOW)
    assert [finding.title for finding in found] == ["5 open pull requests in acme/web were not touched for 30 days."]
    for _ in range(2):
        store(stale_team.pk, NOW.date(), found)
    assert Insight.objects.for_team(stale_team).get().evidence["stale"] == 5


def test_a_day_s_insights_are_replaced_and_other_days_kept(team):
    def finding(rule, effect):
        return Finding(rule, "team", f"{rule} {effect}", "", "", {}, effect)

    store(team.pk, NOW.date() - timedelta(days=1), [finding("a", 0.1)])
    store(team.pk, NOW.date(), [finding("a", 0.1), finding("b", 0.1)])
    store(team.pk, NOW.date(), [finding("b", 0.9), finding("c", 0.1)])
    rows = Insight.objects.for_team(team)
    assert set(rows.filter(date=NOW.date()).values_list("title", flat=True)) == {"b 0.9", "c 0.1"}
    assert rows.count() == 3
    store(team.pk, NOW.date(), [])
    assert rows.filter(date=NOW.date()).count() == 0


def test_facts_are_read_in_few_statements(team):
    repository = RepositoryFactory(team=team)
    author, reviewer = TeamMemberFactory(team=team), TeamMemberFactory(team=team)
    for n in range(30):
        pull = PullRequestFactory(
            repository=repository,
            author=author,
            created_at=NOW - timedelta(days=n + 1),
            detail_state=DetailState.COMPLETE,
        )
        PRReviewFactory(pull_request=pull, reviewer=reviewer)
        PRReviewFactory(pull_request=pull, reviewer=author)
    with CaptureQueriesContext(connection) as queries:
        facts = load(team.pk, NOW)
    assert len(queries) == 3
    assert len(facts.pulls) == 30
    assert {pull.hours_to_review for pull in facts.pulls} == {2.0}
    assert {len(pull.human_reviews) for pull in facts.pulls} == {1}


def test_the_weeks_end_where_the_activity_ends(team):
    PullRequestFactory(repository=RepositoryFactory(team=team), created_at=NOW - timedelta(days=100))
    assert load(team.pk, NOW).until == NOW - timedelta(days=100) + timedelta(hours=5)


def test_a_team_without_pull_requests_has_no_findings(team):
    assert find(team.pk, NOW) == []
