"""However deliveries come, one refresh afterwards leaves what a first read leaves."""

import uuid

import pytest

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import TrackedRepository
from apps.integrations.sources.github.credentials import store_token
from apps.integrations.sources.github.webhook import GitHubHook
from apps.integrations.sources.hooks import Delivered
from apps.integrations.tasks import sync_historical_data_task
from apps.integrations.webhooks import handling
from apps.metrics.models import PullRequest, TeamMember
from apps.teams.models import Team
from tests.integrations.fresh import differences
from tests.integrations.test_changes import at
from tests.integrations.test_incremental import ago
from tests.integrations.test_webhooks import said
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def synced(octo, team):
    (tracked,) = track_repositories(team, "github", ["octo/hello"])
    sync_historical_data_task.call_local(team_id=team.pk)
    tracked.refresh_from_db()
    return tracked


def delivery(tracked, number, **changes):
    """A delivery of a pull request by the author whom the API has."""
    ada = TeamMember.objects.for_team(tracked.team_id).get(login="ada")
    return said(
        tracked, number, user={"login": "ada", "id": ada.github_id, "type": "User"}, **changes
    )


def opened(tracked, **more):
    return delivery(tracked, 40, created_at=ago(hours=2), updated_at=ago(hours=1), **more)


def merged(tracked, **more):
    moment = ago(minutes=20)
    ended = {"state": "closed", "updated_at": moment, "merged_at": moment, "closed_at": moment}
    return delivery(tracked, 40, created_at=ago(hours=2), **ended, **more)


def in_order(tracked):
    return [opened(tracked), merged(tracked)]


def doubled(tracked):
    return [opened(tracked), opened(tracked), merged(tracked), merged(tracked)]


def reordered(tracked):
    return [merged(tracked), opened(tracked)]


def lost(tracked):
    return [opened(tracked)]


def of_another_author(tracked):
    """The account is deleted or taken over before the API is asked."""
    gone = {"login": "gone", "id": 99, "type": "User"}
    return [said(tracked, 40, user=gone, created_at=ago(hours=2), updated_at=ago(hours=1))]


def legacy(tracked):
    """The ids of GitHub's former format."""
    payloads = [
        opened(tracked, node_id="MDExOlB1bGw0MA=="),
        merged(tracked, node_id="MDExOlB1bGw0MA=="),
    ]
    for payload in payloads:
        payload["repository"] = {"node_id": "MDEwOlJlcG8x", "id": tracked.repository.github_id}
    return payloads


def renamed(tracked):
    """Of two renames the later one comes first."""
    payloads = []
    for name in ("octo/third", "octo/second"):
        repository = {"node_id": tracked.repository.external_id, "full_name": name}
        payloads.append({"action": "renamed", "repository": repository})
    return [*payloads, merged(tracked)]


def deleted(tracked):
    """A report of a deletion that came late: the repository was restored."""
    repository = {"node_id": tracked.repository.external_id, "full_name": "octo/hello"}
    return [{"action": "deleted", "repository": repository}, merged(tracked)]


def of_a_deleted_pull_request(tracked):
    return [
        merged(tracked),
        delivery(tracked, 70, created_at=ago(hours=3), updated_at=ago(hours=2)),
    ]


KINDS = [
    in_order,
    doubled,
    reordered,
    lost,
    of_another_author,
    legacy,
    renamed,
    deleted,
    of_a_deleted_pull_request,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_one_refresh_after_any_deliveries_equals_a_first_read(octo, team, synced, kind):
    hook, _ = handling.make(team, None)
    for payload in kind(synced):
        event = "pull_request" if "pull_request" in payload else "repository"
        handling.handle(hook, GitHubHook(), Delivered(str(uuid.uuid4()), event, payload))
    review = {"author": {"login": "bob"}, "state": "APPROVED", "submittedAt": ago(minutes=30)}
    octo.put(
        record(
            40,
            createdAt=ago(hours=2),
            updatedAt=ago(minutes=20),
            mergedAt=ago(minutes=20),
            reviews=[review],
        )
    )
    if kind is renamed:
        octo.rename("octo/hello", "octo/second")
        octo.rename("octo/second", "octo/third")
    assert_equals_fresh(team, "octo/third" if kind is renamed else "octo/hello")


def test_delivery_ahead_of_the_api_is_read_when_the_api_has_it(octo, team, synced):
    octo.put(
        record(40, createdAt=ago(hours=2), updatedAt=ago(hours=1), mergedAt=None, state="OPEN")
    )
    hook, _ = handling.make(team, None)
    handling.handle(hook, GitHubHook(), Delivered("one", "pull_request", merged(synced)))
    sync_historical_data_task.call_local(team_id=team.pk)
    assert PullRequest.objects.for_team(team).get(number=40).state == "merged"
    octo.put(record(40, createdAt=ago(hours=2), updatedAt=at(), mergedAt=ago(minutes=20)))
    assert_equals_fresh(team, "octo/hello")


def assert_equals_fresh(team, name):
    sync_historical_data_task.call_local(team_id=team.pk)
    assert TrackedRepository.objects.for_team(team).get().sync_status == "complete"
    fresh = Team.objects.create(name="Fresh", slug="fresh")
    store_token(fresh, "another token of any shape")
    track_repositories(fresh, "github", [name])
    sync_historical_data_task.call_local(team_id=fresh.pk)
    assert differences(team, fresh) == []
