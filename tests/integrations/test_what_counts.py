"""What counts is the same for a repository of GitHub and for a clone of it."""

import pytest
from django.urls import reverse

from apps.integrations.connections.grants import grant
from apps.integrations.connections.tracking import track_repositories
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.figures.weekly import recompute
from apps.metrics.models import PullRequest, WeeklyMetrics
from apps.metrics.records import ChangeKind
from apps.pipelines.models import RunState
from apps.teams.models import Role, Team
from apps.users.models import User
from tests.integrations.git.conftest import Builder
from tests.sandbox.conftest import record

TAKEN_BACK = [
    ("Add a page", "topic", ""),
    ('Revert "Add a page"', "revert-41-topic", "Reverts octo/world#41"),
    ('Revert "Revert "Add a page""', "revert-42-revert-41-topic", "Reverts octo/world#42"),
    ('Reapply "Add a page"', "revert-42-topic", "This reverts commit 0a1b2c3."),
]


@pytest.fixture
def clone(tmp_path, settings):
    settings.GIT_SOURCE_ROOT = tmp_path
    return Builder(tmp_path / "world")


@pytest.fixture
def read_clone(worker):
    """Returns a team that has read the clone."""

    def read():
        team = Team.objects.create(name="Clones", slug="clones")
        grant(team, "git")
        track_repositories(team, "git", ["world"])
        return refresh(worker, team)

    return read


def refresh(worker, team):
    run = worker.drain(worker.start(sync_historical_data_task, team_id=team.pk, months=600))
    assert run.state == RunState.DONE, (run.error, run.missing)
    recompute(team.pk)
    return team


def figures(team):
    """Return the team's weekly rows that have anything merged."""
    return list(WeeklyMetrics.objects.for_team(team).filter(subject="team", merged__gt=0))


def reverts(team):
    rows = WeeklyMetrics.objects.for_team(team).filter(subject="team")
    return sum(rows.values_list("reverts", flat=True))


def test_reverts_of_reverts_count_once_in_both_sources(
    octo, team, follow, worker, clone, read_clone
):
    clone.commit("Begin")
    for number, (title, branch, body) in enumerate(TAKEN_BACK, 41):
        octo.put(
            record(number, repository="octo/world", title=title, headRefName=branch, body=body)
        )
        # A squash keeps neither the branch nor, with one setting of GitHub, the text.
        clone.commit(f"{title} (#{number})", hour=number)
    follow("octo/world")
    refresh(worker, team)
    assert (reverts(team), reverts(read_clone())) == (1, 1)


@pytest.mark.parametrize("head", ["develop", "staging", "release/1.4", "2.x", "main"])
@pytest.mark.parametrize("is_cross", [False, True])
def test_release_is_in_no_size_and_no_duration(octo, team, follow, worker, head, is_cross):
    review = {
        "author": {"login": "bob"},
        "state": "APPROVED",
        "submittedAt": "2026-03-31T10:00:00Z",
    }
    base = "production" if head == "main" else "main"
    for number in (41, 42):
        octo.put(
            record(
                number,
                additions=10,
                baseRefName="develop",
                headRefName=f"topic-{number}",
                reviews=[review],
            )
        )
    release = {
        "additions": 5000,
        "baseRefName": base,
        "headRefName": head,
        "isCrossRepository": is_cross,
    }
    octo.put(record(43, reviews=[review], **release))
    follow("octo/hello")
    refresh(worker, team)
    kind = PullRequest.objects.for_team(team).get(number=43).kind
    assert kind == (ChangeKind.PULL_REQUEST if is_cross else ChangeKind.RELEASE)
    (week,) = figures(team)
    counted = int(is_cross)
    assert (week.merged, week.time_to_merge_hours_n, week.additions) == (
        33,
        32 + counted,
        20 + 5000 * counted,
    )
    assert week.pickup_hours_n == 12 + counted


@pytest.mark.parametrize(
    "sign",
    [
        {"labels": ["cla signed", "Merged"]},
        {"labels": ["status: landed"]},
        {"title": "[Merged by Bors] - Add a page"},
        {"headRefName": "gh/ann/12/head"},
    ],
)
def test_pull_requests_closed_by_a_landing_bot_are_named(
    octo, team, follow, worker, client, sign
):
    closed = {"state": "CLOSED", "mergedAt": None, "closedAt": "2026-04-01T10:00:00Z"}
    for number in range(41, 47):
        octo.put(record(number, **closed, **sign))
    octo.put(record(47, labels=["to be merged"], **closed))
    octo.put(record(48, labels=["Merged"]))
    follow("octo/hello", "octo/world")
    refresh(worker, team)
    assert noticed(client, team) == [("octo/hello", "6")]


def test_repository_in_which_nothing_was_merged_is_named(octo, team, follow, worker, client):
    closed = {
        "state": "CLOSED",
        "mergedAt": None,
        "closedAt": "2026-04-01T10:00:00Z",
        "repository": "octo/world",
    }
    for number in range(1, 5):
        octo.put(record(number, **closed))
    follow("octo/hello", "octo/world")
    refresh(worker, team)
    assert noticed(client, team) == []
    octo.put(record(5, **closed))
    refresh(worker, team)
    assert noticed(client, team) == [("octo/world", "5")]


def noticed(client, team):
    """Return the repositories that the dashboard names as landed by a bot, and of how
    many pull requests.
    """
    user, _ = User.objects.get_or_create(email="ada@octo.example")
    team.memberships.get_or_create(user=user, role=Role.MEMBER)
    client.force_login(user)
    page = client.get(reverse("metrics:dashboard", args=[team.slug])).content.decode()
    notices = page.split("data-landed-elsewhere=")[1:]
    return [
        (notice.split("<bdi>")[1].split("</bdi>")[0], notice.split('"')[1])
        for notice in notices
    ]


@pytest.mark.parametrize(
    "head",
    ["release-please--branches--main", "release-notes", "support-dark-mode", "developer"],
)
def test_topic_that_sounds_long_lived_is_a_pull_request(octo, team, follow, worker, head):
    octo.put(record(41, headRefName=head))
    follow("octo/hello")
    refresh(worker, team)
    assert PullRequest.objects.for_team(team).get(number=41).kind == ChangeKind.PULL_REQUEST


def test_release_has_the_same_kind_in_both_sources(
    octo, team, follow, worker, clone, read_clone
):
    octo.put(record(41, repository="octo/world", headRefName="topic", baseRefName="develop"))
    octo.put(record(42, repository="octo/world", headRefName="develop"))
    follow("octo/world")
    clone.commit("Begin")
    clone.branch("develop")
    clone.branch("topic", "develop")
    clone.commit("Work", hour=1)
    clone.merge("Merge pull request #41 from octo/topic", "topic", into="develop", hour=2)
    clone.merge("Merge pull request #42 from octo/develop", "develop", hour=3)
    for one in (refresh(worker, team), read_clone()):
        kinds = PullRequest.objects.for_team(one).filter(number__in=[41, 42]).order_by("number")
        assert list(kinds.values_list("kind", flat=True)) == [
            ChangeKind.PULL_REQUEST,
            ChangeKind.RELEASE,
        ]
