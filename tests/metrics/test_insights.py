import collections
import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.metrics.factories import (
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
    TeamFactory,
    TeamMemberFactory,
)
from apps.metrics.figures.definitions import Verdict, median
from apps.metrics.figures.weekly import recompute
from apps.metrics.insights import Finding, findings
from apps.metrics.insights.ai import NO_CAUSE, associate
from apps.metrics.insights.daily import dismiss, find, restore, store, top_insights
from apps.metrics.insights.dataset import Dataset, Pull, Review, load
from apps.metrics.models import DetailState, Insight
from apps.metrics.records import PullRequestState, ReviewState

NOW = datetime(2026, 8, 17, 12, tzinfo=UTC)


def make_facts(count=520, seed=1, *, change=None, weeks=52, repositories=1, unequal=0.0):
    """A year of ordinary work; `change(dice, values, weeks_ago)` plants something.

    `unequal`: some review more than others.
    """
    dice = random.Random(seed)
    pulls = []
    for n in range(count):
        created_at = NOW - timedelta(weeks=weeks) * (1 - (n + 0.5) / count)
        author = dice.randrange(8)
        others = [other for other in range(8) if other != author]
        values = {
            "author": author,
            "lines": int(dice.lognormvariate(4, 1.2)),
            "wait": dice.lognormvariate(1, 0.8),
            "merge": dice.lognormvariate(1, 0.8),
            "reviewer": dice.choices(others, [1 + unequal * other for other in others])[0],
            "state": ReviewState.APPROVED if dice.random() < 0.85 else ReviewState.COMMENTED,
            "ai": dice.random() < 0.2,
            "title": dice.choice(("fix: it", "feat: it", "docs: it")),
            "revert": dice.random() < 0.01,
            "at": created_at,
        }
        if change:
            change(dice, values, (NOW - created_at) / timedelta(weeks=1))
        created_at = values["at"]
        reviewed_at = created_at + timedelta(hours=values["wait"])
        approves = values["state"] == ReviewState.APPROVED
        pulls.append(
            Pull(
                pk=n,
                number=n,
                repository=n % repositories + 1,
                author=values["author"],
                by_bot=False,
                is_open=False,
                is_draft=False,
                created_at=created_at,
                updated_at=reviewed_at,
                merged_at=reviewed_at + timedelta(hours=values["merge"]),
                lines=values["lines"],
                verdict=Verdict.ASSISTED if values["ai"] else Verdict.NO_MARKER,
                hours_to_merge=values["wait"] + values["merge"],
                hours_to_review=values["wait"],
                without_approval=not approves,
                reviews=(Review(values["reviewer"], reviewed_at, approves),),
                title=values["title"],
                is_revert=values["revert"],
            )
        )
    names = {1: "checkout-api", **{key: f"service-{key}" for key in range(2, repositories + 1)}}
    logins = {key: f"person-{key}" for key in range(8)}
    return Dataset(NOW, tuple(pulls), names, logins=logins)


def rules(dataset):
    return {finding.rule: finding for finding in findings(dataset)}


def test_ordinary_work_gives_no_findings():
    """Over 200 made-up teams with nothing planted no rule raises more than four false
    alarms.
    """
    alarms = collections.Counter()
    for seed in range(200):
        dataset = make_facts(
            260 + 40 * (seed % 8), seed, repositories=1 + seed % 4, unequal=0.2 * (seed % 3)
        )
        alarms.update({finding.rule for finding in findings(dataset)})
    assert all(count <= 4 for count in alarms.values()), alarms


def planted(dice, values, weeks_ago):
    """Slower from week 30 on; person 3 takes 60 % of the reviews; AI works on small
    things, and truly no faster.
    """
    values["merge"] *= 3 if weeks_ago <= 22 else 1
    values["wait"] *= 3 if weeks_ago <= 22 else 1
    if values["author"] != 3 and dice.random() < 0.6:
        values["reviewer"] = 3
    if dice.random() < 0.5:
        values |= {"ai": dice.random() < 0.7, "lines": 10}
    else:
        values |= {"ai": dice.random() < 0.1, "lines": 300}
        values["merge"] *= 2
        values["wait"] *= 2


@pytest.mark.parametrize("seed", range(5))
def test_what_was_planted_is_found_and_nothing_else(seed):
    dataset = make_facts(900, seed, change=planted)
    found = rules(dataset)
    assert set(found) == {"review-wait", "time-to-merge", "bottleneck-reviewer"}
    for rule in ("review-wait", "time-to-merge"):
        since = datetime.fromisoformat(found[rule].evidence["since"]).replace(tzinfo=UTC)
        assert abs(since - (NOW - timedelta(weeks=22))) <= timedelta(weeks=2)
        assert found[rule].evidence["low"] < 3.3
        assert found[rule].evidence["high"] > 2.7
    assert found["bottleneck-reviewer"].title.startswith("person-3 ")
    assert 0.5 < found["bottleneck-reviewer"].evidence["share"] < 0.7
    # Side by side AI-assisted ones look faster; among their likes they are not.
    merged = [(pull.verdict == Verdict.ASSISTED, pull.hours_to_merge) for pull in dataset.pulls]
    marked, others = (
        [hours for is_marked, hours in merged if is_marked is side] for side in (True, False)
    )
    assert median(marked) < 0.8 * median(others)
    association = associate(list(dataset.pulls), lambda pull: pull.hours_to_merge)
    assert association.low < 1 < association.high
    assert not association.is_beyond


def test_ai_assisted_ones_that_do_take_longer_are_found():
    def slower(dice, values, weeks_ago):
        values["merge"] *= 4 if values["ai"] else 1

    finding = rules(make_facts(900, change=slower))["ai-time-to-merge"]
    assert finding.evidence["low"] > 1
    assert finding.evidence["delta"] > 0.147
    assert NO_CAUSE in finding.body


def test_fewer_than_twenty_ai_assisted_ones_are_not_compared():
    def few(dice, values, weeks_ago):
        values |= {"ai": dice.random() < 0.03, "title": "fix: it", "lines": 30}

    pulls = make_facts(400, change=few).pulls
    assert sum(pull.verdict == Verdict.ASSISTED for pull in pulls) < 20
    assert not associate(list(pulls), lambda pull: pull.hours_to_merge).is_known


def test_a_slowdown_of_all_small_repositories_is_one_of_the_team():
    def slower(dice, values, weeks_ago):
        values["merge"] *= 4 if weeks_ago <= 22 else 1

    found = rules(make_facts(300, change=slower, repositories=10))
    assert found["time-to-merge"].subject == "team"
    assert "all repositories" in found["time-to-merge"].title


def test_a_slowdown_that_is_over_is_no_news():
    def slower(dice, values, weeks_ago):
        values["merge"] *= 5 if 8 < weeks_ago <= 22 else 1

    assert "time-to-merge" not in rules(make_facts(900, change=slower))


def test_more_reverts_are_found():
    def more(dice, values, weeks_ago):
        values["revert"] = dice.random() < (0.12 if weeks_ago <= 8 else 0.01)

    finding = rules(make_facts(900, change=more))["revert-spike"]
    assert finding.evidence["after"] > 2 * finding.evidence["before"]


def test_work_that_moves_to_weekends_is_found():
    def later(dice, values, weeks_ago):
        day = values["at"].weekday()
        weekend = weeks_ago <= 8 and dice.random() < 0.5
        values["at"] += timedelta(days=(5 - day) if weekend else -max(0, day - 4))
        values["wait"] = 1 if weekend else min(values["wait"], 4)

    finding = rules(make_facts(900, change=later))["weekend-load"]
    assert finding.evidence["after"] > finding.evidence["before"]


def test_two_reviewers_for_nearly_all_are_found():
    def two(dice, values, weeks_ago):
        if dice.random() < 0.9:
            values["reviewer"] = dice.choice(
                [other for other in (2, 3, 2, 3) if other != values["author"]]
            )

    found = rules(make_facts(900, change=two))
    assert "review-concentration" in found or "bottleneck-reviewer" in found


def test_longer_waits_for_review_are_found():
    def slower(dice, values, weeks_ago):
        values["wait"] *= 3 if weeks_ago <= 8 else 1

    found = rules(make_facts(change=slower))
    assert {"review-wait", "time-to-merge"} == set(found)
    wait = found["review-wait"]
    assert "checkout-api" in wait.title
    assert wait.evidence["after"] > 2 * wait.evidence["before"]
    assert wait.evidence["n_after"] == pytest.approx(80, abs=20)
    assert wait.evidence["pull_requests"]
    assert datetime.fromisoformat(wait.evidence["since"])
    # The weeks of this rule begin on the weekday of the newest activity, so no Monday
    # is named.
    assert "the week of" not in wait.body


def test_shorter_waits_are_found_too():
    def faster(dice, values, weeks_ago):
        values["wait"] /= 4 if weeks_ago <= 8 else 1

    evidence = rules(make_facts(change=faster))["review-wait"].evidence
    assert evidence["after"] < evidence["before"]


def test_too_few_cases_are_no_trend():
    def slower(dice, values, weeks_ago):
        values["wait"] *= 10 if weeks_ago <= 8 else 1

    assert not findings(make_facts(count=40, change=slower))


def test_a_small_change_is_none_however_sure():
    def slightly_slower(dice, values, weeks_ago):
        values["wait"] = (2.2 if weeks_ago <= 8 else 2.0) + dice.random() / 100

    assert "review-wait" not in rules(make_facts(count=2000, change=slightly_slower))


def test_one_reviewer_for_most_is_found():
    def one(dice, values, weeks_ago):
        if dice.random() < 0.6 and values["author"] != 3:
            values["reviewer"] = 3

    finding = rules(make_facts(change=one))["bottleneck-reviewer"]
    assert finding.title.startswith("person-3 ")
    assert finding.subject == "team"


def test_large_pull_requests_that_take_longer_are_found():
    def larger(dice, values, weeks_ago):
        if values["lines"] > 500:
            values["merge"] += 60
        elif dice.random() < 0.2:
            values |= {"lines": 900, "merge": 60 + values["merge"]}

    finding = rules(make_facts(change=larger))["large-pull-requests"]
    assert finding.evidence["large"] > 2 * finding.evidence["other"]


def test_merges_without_approval_are_found():
    def unapproved(dice, values, weeks_ago):
        if dice.random() < 0.4:
            values["state"] = ReviewState.COMMENTED

    finding = rules(make_facts(change=unapproved))["merged-without-approval"]
    assert "checkout-api" in finding.title
    assert 0.2 < finding.evidence["share"] < 0.6


def test_a_team_that_never_approves_is_not_lectured():
    def never(dice, values, weeks_ago):
        values["state"] = ReviewState.COMMENTED

    assert "merged-without-approval" not in rules(make_facts(change=never))


def test_more_ai_markers_are_found():
    def more(dice, values, weeks_ago):
        values["ai"] = dice.random() < (0.6 if weeks_ago <= 8 else 0.2)

    finding = rules(make_facts(change=more))["ai-share"]
    assert finding.evidence["after"] > finding.evidence["before"]


@pytest.fixture
def stale_team(team):
    repository = RepositoryFactory(team=team, full_name="acme/web")
    for days in (40, 50, 60, 70, 80):
        moment = NOW - timedelta(days=days)
        PullRequestFactory(
            repository=repository, state=PullRequestState.OPEN, created_at=moment
        )
    PullRequestFactory(
        repository=repository,
        state=PullRequestState.OPEN,
        created_at=NOW - timedelta(days=90),
        is_draft=True,
    )
    PullRequestFactory(repository=repository, created_at=NOW - timedelta(hours=6))
    return team


def test_stale_pull_requests_are_found_and_kept_once(stale_team):
    found = find(stale_team.pk, NOW)
    assert [finding.rule for finding in found] == ["stale-pull-requests"]
    assert "acme/web" in found[0].title
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
    assert set(rows.filter(date=NOW.date()).values_list("title", flat=True)) == {
        "b 0.9",
        "c 0.1",
    }
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
        dataset = load(team.pk, NOW)
    # Four more, because the measures are not stored yet.
    assert len(queries) == 9
    recompute(team.pk)
    with CaptureQueriesContext(connection) as queries:
        assert load(team.pk, NOW) == dataset
    assert len(queries) == 5
    assert len(dataset.pulls) == 30
    assert {pull.hours_to_review for pull in dataset.pulls} == {2.0}
    assert {len(pull.reviews) for pull in dataset.pulls} == {1}


def test_the_weeks_end_where_the_activity_ends(team):
    PullRequestFactory(
        repository=RepositoryFactory(team=team), created_at=NOW - timedelta(days=100)
    )
    assert load(team.pk, NOW).until == NOW - timedelta(days=100) + timedelta(hours=5)


def test_a_team_without_pull_requests_has_no_findings(team):
    assert find(team.pk, NOW) == []


def test_a_dismissed_finding_stays_away_until_it_is_restored(stale_team, repository):
    for day in range(2):
        store(stale_team.pk, NOW.date() + timedelta(days=day), find(stale_team.pk, NOW))
        if not day:
            (insight,) = top_insights(stale_team.pk)
            with pytest.raises(ValueError, match="reason"):
                dismiss(insight, " ", None, NOW)
            dismiss(insight, "They wait for the release.", None, NOW)
            dismiss(insight, "They wait for the next release.", None, NOW)
        assert top_insights(stale_team.pk) == []
    other = Insight.objects.create(
        team=TeamFactory(), date=NOW.date(), rule=insight.rule, subject=insight.subject
    )
    assert top_insights(other.team_id) == [other]
    restore(stale_team.pk, insight.rule, insight.subject)
    assert len(top_insights(stale_team.pk)) == 1
