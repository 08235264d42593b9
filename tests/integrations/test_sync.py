"""The sync against a sandbox over HTTP: everything arrives, once, and equals what is
served.
"""

import json

import pytest

from apps.analytics.models import AnalyticsEvent, EventName
from apps.integrations.models import SyncLog, SyncStatus, TrackedRepository
from apps.integrations.signals import (
    onboarding_sync_completed,
    onboarding_sync_started,
    repository_sync_completed,
)
from apps.integrations.tasks import sync_historical_data_task, sync_repository_initial_task
from apps.metrics.models import (
    Commit,
    DetailState,
    PRReview,
    PullRequest,
    TeamMember,
    WeeklyMetrics,
)
from apps.pipelines.models import RunState
from tests.fixtures.sandbox import SAMPLE, serving
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard():
    """The signals of the sync as (name, arguments), in order."""
    calls = []
    signals = {
        "started": onboarding_sync_started,
        "repository": repository_sync_completed,
        "completed": onboarding_sync_completed,
    }
    receivers = []
    for name, signal in signals.items():

        def receiver(signal, sender, sent_at, name=name, **arguments):
            calls.append((name, arguments))

        receivers.append((signal, receiver))
        signal.connect(receiver)
    yield calls
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def pulls(team):
    return PullRequest.objects.for_team(team)


def tracked(team, name):
    return TrackedRepository.objects.for_team(team).get(repository__full_name=name)


def test_both_repositories_arrive_whole(octo, team, follow, heard):
    hello, world = follow("octo/hello", "octo/world")
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert run.state == RunState.DONE
    assert pulls(team).count() == 33
    assert not pulls(team).exclude(detail_state=DetailState.COMPLETE).exists()
    assert Commit.objects.for_team(team).count() == 33
    assert PRReview.objects.for_team(team).count() == 11
    for name, count in (("octo/hello", 30), ("octo/world", 3)):
        row = tracked(team, name)
        assert (row.sync_status, row.last_sync_error) == (SyncStatus.COMPLETE, "")
        assert (row.done, row.total) == (count, count)
        assert (
            row.watermark
            == pulls(team).filter(repository=row.repository).latest("updated_at").updated_at
        )
        assert row.synced_since < row.last_synced_at
        assert row.repository.external_id
        assert row.repository.default_branch == "main"
    step = run.steps.get()
    assert (step.done, step.total) == (33, 33)
    assert step.result == {"repositories": 2, "pull_requests": 33, "corrected": 0}
    assert heard[0] == ("started", {"team_id": team.pk, "repo_ids": [hello.pk, world.pk]})
    assert sorted(heard[1:3], key=lambda call: call[1]["repo_id"]) == [
        ("repository", {"team_id": team.pk, "repo_id": hello.pk, "prs_synced": 30}),
        ("repository", {"team_id": team.pk, "repo_id": world.pk, "prs_synced": 3}),
    ]
    assert heard[3:] == [
        (
            "completed",
            {"team_id": team.pk, "repos_synced": 2, "total_prs": 33, "failed_repos": 0},
        )
    ]
    assert SyncLog.objects.for_team(team).count() == 4
    shown = {event.key: event.data for event in run.events.filter(kind="repository")}
    assert shown["octo/hello"]["sync_status"] == "complete"
    assert (shown["octo/world"]["done"], shown["octo/world"]["total"]) == (3, 3)


def test_the_outline_of_all_repositories_comes_before_any_detail(octo, team, follow):
    follow("octo/hello", "octo/world")
    sync_historical_data_task.call_local(team_id=team.pk)
    requests = octo.requests()
    assert (requests["Skeleton"], requests["Detail"]) == (2, 3)


def test_a_second_run_costs_what_has_changed(octo, team, follow):
    follow("octo/hello")
    sync_historical_data_task.call_local(team_id=team.pk)
    changed = record(7, title="Changed <b>since</b>", updatedAt="2026-05-01T00:00:00Z")
    octo.put(changed)
    before = octo.requests()
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert run.state == RunState.DONE
    now = octo.requests()
    assert (now["Skeleton"] - before["Skeleton"], now["Detail"] - before["Detail"]) == (0, 1)
    assert pulls(team).get(number=7).title == "Changed <b>since</b>"
    assert pulls(team).count() == 30


def test_the_window_ends_the_sync(octo, team, follow):
    follow("octo/hello")
    long_ago = [f"2020-01-01T00:{number % 60:02}:00Z" for number in range(1000, 1300)]
    octo.put(
        *(
            record(number, createdAt=at, updatedAt=at)
            for number, at in enumerate(long_ago, 1000)
        )
    )
    run = sync_historical_data_task.call_local(team_id=team.pk, months=24)
    assert run.state == RunState.DONE
    assert pulls(team).count() == 30
    # The first page reaches past the window; the 230 behind it are not asked for.
    assert octo.requests()["Skeleton"] == 1


@pytest.mark.parametrize("months", [0, 601])
def test_an_impossible_window_is_refused(octo, team, follow, months):
    follow("octo/hello")
    with pytest.raises(Exception, match="1 to 600 months"):
        sync_historical_data_task.call_local(team_id=team.pk, months=months)


def test_only_the_named_repositories_are_read(octo, team, follow):
    _, world = follow("octo/hello", "octo/world")
    sync_historical_data_task.call_local(team.pk, [world.pk])
    assert pulls(team).count() == 3
    assert tracked(team, "octo/hello").sync_status == SyncStatus.PENDING
    with pytest.raises(Exception, match="999"):
        sync_historical_data_task.call_local(team.pk, [world.pk, 999])


def test_a_team_without_repositories_has_nothing_to_sync(octo, team):
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert run.steps.get().state == "skipped"


def test_one_repository_and_then_the_figures(octo, team, follow):
    hello, _ = follow("octo/hello", "octo/world")
    octo.put(record(500, createdAt="2026-11-20T10:00:00Z", mergedAt="2026-11-21T10:00:00Z"))
    run = sync_repository_initial_task.call_local(hello.pk, days_back=300)
    assert run.state == RunState.DONE
    assert [step.key for step in run.steps.order_by("idx")] == ["sync", "metrics"]
    assert pulls(team).filter(repository=hello.repository).count() == pulls(team).count() == 31
    assert WeeklyMetrics.objects.for_team(team).filter(scope="team").exists()


def test_many_commits_reviews_and_labels_are_all_read(octo, team, follow):
    follow("octo/world")
    commits = [
        {
            "oid": f"{index:040x}",
            "message": f"Step {index}",
            "authoredDate": "2026-03-01T09:00:00Z",
        }
        for index in range(1, 321)
    ]
    reviews = [
        {
            "author": {"login": f"reviewer-{index}"},
            "state": "COMMENTED",
            "submittedAt": f"2026-03-02T{index % 24:02}:00:00Z",
        }
        for index in range(130)
    ]
    labels = [f"label-{index}" for index in range(40)]
    octo.put(
        record(50, repository="octo/world", commits=commits, reviews=reviews, labels=labels)
    )
    sync_historical_data_task.call_local(team_id=team.pk)
    pull = pulls(team).get(number=50)
    assert set(pull.commits.values_list("oid", flat=True)) == {
        commit["oid"] for commit in commits
    }
    assert pull.reviews.count() == 130
    assert sorted(pull.labels) == sorted(labels)
    assert octo.requests()["MoreCommits"] == 3
    assert octo.requests()["MoreReviews"] == 1
    # The next run's outline knows ten labels; it takes none away.
    sync_historical_data_task.call_local(team_id=team.pk)
    assert len(pulls(team).get(number=50).labels) == 40


def test_two_megabytes_of_body_and_names_with_markup_are_kept_whole(octo, team, follow):
    follow("octo/world")
    body = "<script>alert('x')</script> & \u2028 \U0001f600 " * 40_000
    assert len(body.encode()) > 1_500_000
    author = {"login": "mallory", "name": "<img src=x onerror=alert(1)>", "isBot": False}
    octo.put(
        record(
            51, repository="octo/world", body=body, title='"><script>1</script>', author=author
        )
    )
    sync_historical_data_task.call_local(team_id=team.pk)
    pull = pulls(team).get(number=51)
    assert pull.body == body
    assert pull.title == '"><script>1</script>'
    assert pull.author.name == author["name"]


def test_an_empty_repository_is_complete(acme, team, follow):
    follow("acme/sandbox-empty")
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert run.state == RunState.DONE
    row = tracked(team, "acme/sandbox-empty")
    assert (row.sync_status, row.done, row.total) == (SyncStatus.COMPLETE, 0, 0)


def test_the_generated_organization(acme, team, follow):
    names = [
        repo["full_name"]
        for repo in acme.http.get("/user/repos?per_page=100", headers=TOKEN).json()
    ]
    follow(*names)
    run = sync_historical_data_task.call_local(team_id=team.pk, months=13)
    assert run.state == RunState.DONE, run.missing
    assert 2500 < pulls(team).count() < 3600
    assert not pulls(team).exclude(detail_state=DetailState.COMPLETE).exists()
    assert (
        TeamMember.objects.for_team(team).filter(login__endswith="[bot]", is_bot=True).exists()
    )
    assert pulls(team).filter(author__key="ghost").exists()
    first = AnalyticsEvent.objects.get(run=run.pk, name=EventName.FIRST_INSIGHT).data
    assert first["preliminary"]
    assert 0 < first["seconds"] < (run.finished_at - run.created_at).total_seconds()
    # The first finding is on the page before the details of anything are.
    insight = (
        run.events.filter(kind="insight", data__title__isnull=False).order_by("seq").first()
    )
    assert insight.data["title"] == first["title"]
    assert (
        insight.seq
        < run.events.filter(kind="repository", data__sync_status="complete")
        .order_by("seq")
        .first()
        .seq
    )
    served = served_counts(acme, names)
    assert (
        pulls(team).count(),
        Commit.objects.for_team(team).count(),
        PRReview.objects.for_team(team).count(),
    ) == served


TOKEN = {"authorization": "Bearer x"}
COUNTS = """query Count($owner: String!, $name: String!, $after: String) { repository(owner: $owner, name: $name) {
  pullRequests(first: 100, after: $after) { pageInfo { hasNextPage endCursor }
    nodes { commits { totalCount } reviews { totalCount } } } } }"""


def served_counts(sandbox, names):
    """Pull requests, commits and reviews by GitHub's own counts."""
    found = []
    for name in names:
        owner, _, short = name.partition("/")
        after, more = None, True
        while more:
            variables = {"owner": owner, "name": short, "after": after}
            answer = sandbox.http.post(
                "/graphql", headers=TOKEN, json={"query": COUNTS, "variables": variables}
            ).json()
            page = answer["data"]["repository"]["pullRequests"]
            found += page["nodes"]
            more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
    return (
        len(found),
        sum(node["commits"]["totalCount"] for node in found),
        sum(node["reviews"]["totalCount"] for node in found),
    )


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample folder is not beside the checkout")
def test_the_sample_equals_its_files(team, follow, settings):
    expected = {}
    for path in SAMPLE.glob("*__*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            key = entry["repository"], entry["number"]
            expected[key] = (
                entry["title"],
                entry["createdAt"],
                entry["mergedAt"],
                entry["additions"],
                entry["deletions"],
                sorted(commit["oid"] for commit in entry["commits"]),
                len(entry["reviews"]),
            )
    with serving(data=SAMPLE) as sandbox:
        settings.GITHUB_API_URL = sandbox.url
        follow(*{name for name, _ in expected})
        run = sync_historical_data_task.call_local(team_id=team.pk, months=24)
    assert run.state == RunState.DONE, run.missing
    found = {}
    for pull in pulls(team).select_related("repository").prefetch_related("commits", "reviews"):
        found[pull.repository.full_name, pull.number] = (
            pull.title,
            pull.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            pull.merged_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            pull.additions,
            pull.deletions,
            sorted(commit.oid for commit in pull.commits.all()),
            len(pull.reviews.all()),
        )
    assert found == expected
