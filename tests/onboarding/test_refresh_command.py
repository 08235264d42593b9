"""`manage.py refresh` as a process: what it starts or joins, and how it ends."""

import pytest
from django.core.management import execute_from_command_line

from apps.integrations.models import TrackedRepository
from apps.onboarding.services.refreshing import refresh
from apps.pipelines.models import Run, StepRun
from apps.teams.models import Team
from tests.fixtures.workers import eventually
from tests.onboarding.test_onboard import KEYS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def set_up(begin, work, team):
    """Acme, whose two repositories were read."""
    assert work(begin()).state == "done"
    return team


def nights():
    return Run.objects.filter(pipeline="nightly").order_by("created_at")


def ids(team):
    return list(
        TrackedRepository.objects.for_team(team).order_by("pk").values_list("pk", flat=True)
    )


def test_refresh_starts_a_run_and_ends_as_it_ends(manage, set_up):
    result = manage("refresh", "acme", "--worker", "--json")
    assert result.status == 0, result.stderr
    run = nights().get()
    assert list(result.summary) == [*KEYS, "corrected"]
    assert result.summary["run"] == str(run.pk)
    assert (result.summary["exit"], result.summary["state"], result.summary["corrected"]) == (
        0,
        "done",
        0,
    )
    assert run.kind == "refresh"
    assert "repo_ids" not in run.params


def test_refresh_without_json_prints_the_address_of_its_run(manage, set_up):
    result = manage("refresh", "acme", "--worker")
    assert result.status == 0, result.stderr
    assert result.stdout.strip().endswith(f"/t/acme/onboarding/runs/{nights().get().pk}/")


def test_refresh_of_named_repositories_reads_only_these(manage, set_up, github):
    github.hide("acme/api")
    result = manage("refresh", "acme", "--repository", "ACME/web", "--worker", "--json")
    assert result.status == 0, result.stderr
    assert nights().get().params["repo_ids"] == ids(set_up)[1:]


def test_refresh_with_something_missing_is_partial(manage, set_up, github):
    github.hide("acme/api")
    result = manage("refresh", "acme", "--worker", "--json")
    assert result.status == 2
    assert [gap["what"] for gap in result.summary["missing"]] == ["acme/api"]


def test_refresh_joins_a_run_that_does_at_least_as_much(manage, set_up):
    run, _ = refresh(set_up.pk)
    result = manage("refresh", "acme", "--repository", "acme/api", "--worker", "--json")
    assert (result.status, result.summary["run"]) == (0, str(run.pk)), result.stderr
    assert nights().count() == 1


def test_verify_counts_what_it_corrected(manage, set_up, github):
    github.change("delete", repository="acme/api", numbers=[2, 5])
    result = manage("refresh", "acme", "--verify", "--worker", "--json")
    assert (result.status, result.summary["corrected"]) == (0, 2), result.stderr
    assert result.summary["totals"]["pull_requests"] == 18
    again = manage("refresh", "acme", "--verify", "--worker")
    assert again.stdout.splitlines()[-1] == "Corrected pull requests: 0"


@pytest.mark.parametrize("options", [[], ["--verify", "--repository", "acme/api"]])
def test_refresh_waits_for_a_run_that_does_less(manage, set_up, options):
    lesser, _ = refresh(set_up.pk, repo_ids=ids(set_up)[:1])
    result = manage("refresh", "acme", *options, "--worker", "--json")
    assert result.status == 0, result.stderr
    first, second = nights()
    assert (first.pk, first.state) == (lesser.pk, "done")
    assert result.summary["run"] == str(second.pk)
    assert second.created_at >= first.finished_at
    assert second.params.get("verify", False) is bool(options)


def test_refresh_does_not_join_a_run_whose_sync_has_ended(manage, set_up):
    run, _ = refresh(set_up.pk)
    StepRun.objects.filter(run=run, key="sync").update(state="done")
    process = manage.start("refresh", "acme", "--json")
    eventually(lambda: process.poll() is None and Run.objects.filter(pk=run.pk).exists())
    Run.objects.filter(pk=run.pk).update(state="cancelled")
    second = eventually(lambda: nights().exclude(pk=run.pk).first())
    Run.objects.filter(pk=second.pk).update(state="cancelled")
    result = manage.wait(process)
    assert (result.status, result.summary["run"]) == (3, str(second.pk))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["nobody"], 64),
        ([], 64),
        (["acme", "--repository", "acme/nope"], 64),
        (["acme", "--colour"], 64),
    ],
)
def test_bad_usage(set_up, capsys, arguments, status):
    with pytest.raises(SystemExit) as leaving:
        execute_from_command_line(["manage.py", "refresh", *arguments])
    assert leaving.value.code == status
    assert not nights().exists()


def test_team_without_repositories_is_refused(team, capsys):
    with pytest.raises(SystemExit) as leaving:
        execute_from_command_line(["manage.py", "refresh", Team.objects.get().slug])
    assert leaving.value.code == 1
    assert not Run.objects.exists()


def test_waiting_run_is_left_for_a_worker(manage, set_up):
    """Joining a run is no start of a second one, also while nobody works."""
    first = manage.start("refresh", "acme", "--json")
    run = eventually(lambda: nights().first())
    second = manage.start("refresh", "acme", "--json", "--worker")
    results = [manage.wait(first), manage.wait(second)]
    assert {result.summary["run"] for result in results} == {str(run.pk)}
    assert [result.status for result in results] == [0, 0]
