"""A source that is not registered is not asked, and no token of another one reaches it."""

import pytest
from django.utils import timezone

from apps.integrations.connections import service
from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import Connection, SyncStatus, TrackedRepository
from apps.integrations.sources import base
from apps.integrations.sources.errors import CannotConnect
from apps.integrations.sources.github.credentials import store_token
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import Repository
from apps.pipelines.models import RunState
from apps.teams.models import Team
from tests.integrations.folder_source.source import Folder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(octo):
    """A team of GitHub with a token, and a connection to a source that only the
    database knows.
    """
    team = Team.objects.create(name="Octo", slug="octo")
    store_token(team, "ghp_secret")
    return Connection.objects.across_teams().create(
        team=team, source="forgejo", connected_at=timezone.now()
    )


def test_unknown_source_is_not_asked(connection):
    for source in ("forgejo", "", "GITHUB"):
        with pytest.raises(CannotConnect):
            service.check(connection.team, source)
        with pytest.raises(CannotConnect):
            service.keep(connection.team, source, None, token="token-of-forgejo")
    for ask in (service.refresh, lambda row: service.measure(row, ["octo/hello"])):
        with pytest.raises(CannotConnect):
            ask(connection)


def test_repositories_of_an_unknown_source_fail_and_the_others_are_read(octo, connection):
    team = connection.team
    (known,) = track_repositories(team, "github", ["octo/hello"])
    strange = Repository.objects.create(team=team, source="forgejo", full_name="octo/world")
    TrackedRepository.objects.create(team=team, repository=strange)
    octo.reset()
    outcome = sync_historical_data_task.call_local(team_id=team.pk)
    assert outcome.state == RunState.PARTIAL
    rows = {row.pk: row for row in TrackedRepository.objects.for_team(team)}
    assert rows[known.pk].sync_status == SyncStatus.COMPLETE
    assert (rows[strange.pk].sync_status, rows[strange.pk].cause) == (
        SyncStatus.ERROR,
        "unknown_source",
    )


def test_a_key_fits_into_addresses_and_columns():
    class Wrong(Folder):
        key = rows = name = "Not a key"

    with pytest.raises(ValueError):
        base.register(Wrong())
    assert base.find("Not a key") is None


def test_source_that_lacks_a_method_cannot_be_made():
    class Unfinished(base.Source):
        key = rows = "unfinished"

    with pytest.raises(TypeError, match="list_pages"):
        base.register(Unfinished())


def test_every_source_reads_with_its_own_credentials(octo, settings):
    """A team of the sample has no token, and gets none of GitHub's."""
    settings.SAMPLE_URL = octo.url
    settings.GITHUB_API_URL = "http://127.0.0.1:9"
    team = Team.objects.create(name="Trial", slug="trial")
    service.keep(team, "sample", None, found=service.check(team, "sample"))
    assert base.reading(team.pk, "github").key == "sample"
    track_repositories(team, "github", ["octo/hello"])
    outcome = sync_historical_data_task.call_local(team_id=team.pk)
    assert outcome.state == RunState.DONE
