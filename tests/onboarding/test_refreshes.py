"""Runs after the first one: a failed refresh is shown and emailed once, and a new token
leads back to it.
"""

import re
import time
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.github.credentials import store_token
from apps.mail.models import OutboxMessage
from apps.metrics.models import PullRequest
from apps.onboarding.models import RefreshFailure
from apps.onboarding.services.refreshing import refresh
from apps.onboarding.state import Kind
from apps.onboarding.tasks import SCHEDULE, nightly_refresh
from apps.pipelines import engine
from apps.pipelines.models import Event, Run, StepRun
from apps.pipelines.worker.sweeper import sweep
from apps.teams import states
from tests.services import free_port

REFUSED = {"status": 401, "body": {"message": "Bad credentials"}}


@pytest.fixture
def mara(team, person):
    client = Client()
    client.force_login(person("mara"))
    return client


@pytest.fixture
def set_up(begin, work):
    """A team whose setup is done."""
    run = work(begin())
    assert run.state == "done"
    OutboxMessage.objects.all().delete()
    return run


def tonight(team, work):
    """Work on this night's refresh. Each call is another night."""
    Run.objects.update(once_key=None, created_at=F("created_at") - timedelta(days=1))
    nightly_refresh.call_local()
    run = Run.objects.filter(subject=f"team:{team.pk}").first()
    StepRun.objects.filter(run=run).update(backoff_seconds=0.01)
    return work(run)


def attributes(page, element):
    """The state that an element of a page shows: name, cause, remedy."""
    html = page.content.decode()
    found = re.search(
        rf'id="{element}"[^>]*data-state="(.*?)"\s+data-cause="(.*?)"\s+data-remedy="(.*?)"',
        html,
    )
    assert found, f"{element} shows no state"
    return found.groups()


def emails(kind):
    return sorted(
        OutboxMessage.objects.filter(dedupe_key__endswith=f":{kind}").values_list(
            "recipient", flat=True
        )
    )


def test_a_failed_night_is_shown_and_emailed_once(team, set_up, github, work, mara):
    github.faults(REFUSED)
    for _ in range(3):
        assert tonight(team, work).cause == "token_refused"
    for page in ("dashboard", "pull_requests", "repositories", "people", "compare"):
        shown = attributes(
            mara.get(reverse(f"metrics:{page}", args=[team.slug])), "data-status"
        )
        assert shown == ("failed", "token_refused", "new_token"), page
    badge = mara.get(reverse("onboarding:sources", args=[team.slug])).content.decode()
    assert 'data-state="refused" data-cause="token_refused" data-remedy="new_token"' in badge
    assert RefreshFailure.objects.for_team(team).count() == 1
    assert emails("began") == ["mara@acme.example", "teo@acme.example"]
    assert emails("ended") == []


def test_a_night_that_works_again_is_emailed_once(team, set_up, github, work, mara):
    github.faults(REFUSED)
    tonight(team, work)
    github.faults()
    for _ in range(2):
        assert tonight(team, work).state == "done"
    assert emails("began") == emails("ended") == ["mara@acme.example", "teo@acme.example"]
    assert states.of_team(team.pk).failing is None
    assert states.of_team(team.pk).figures == "current"
    github.faults(REFUSED)
    tonight(team, work)
    assert len(emails("began")) == 4


def paused_since(run, hours):
    """Let the run be paused for so long already."""
    Run.objects.filter(pk=run.pk).update(acted_at=timezone.now() - timedelta(hours=hours))


def test_paused_night_is_emailed_once_and_goes_on_after_a_day(
    team, set_up, begin, work, mara, person
):
    setup = begin("acme/api")
    engine.pause(setup, by=person("mara"))
    night, _ = refresh(team.pk, kind=Kind.NIGHTLY)
    engine.pause(night, by=person("mara"))
    for page in ("dashboard", "repositories", "people"):
        html = mara.get(reverse(f"metrics:{page}", args=[team.slug]))
        assert attributes(html, "data-status") == ("paused", "paused", "none"), page
    assert states.of_team(team.pk).figures == "old"
    nightly_refresh.call_local()
    assert not emails("began")
    for hours in (2, 3, 23):
        paused_since(night, hours)
        nightly_refresh.call_local()
        night.refresh_from_db()
        assert night.state == "paused"
        assert emails("began") == ["mara@acme.example", "teo@acme.example"]
    paused_since(setup, 99)
    paused_since(night, 25)
    nightly_refresh.call_local()
    assert work(night).state == "done"
    setup.refresh_from_db()
    assert setup.state == "paused", "only a person resumes a setup"
    assert emails("ended") == ["mara@acme.example", "teo@acme.example"]
    engine.cancel(setup)
    assert tonight(team, work).pk != night.pk
    assert len(emails("began")) == 2


def test_paused_night_of_a_former_release_is_replaced(team, set_up, work):
    night, _ = refresh(team.pk, kind=Kind.NIGHTLY)
    engine.pause(night)
    paused_since(night, 25)
    Run.objects.filter(pk=night.pk).update(definition_version=0)
    StepRun.objects.filter(run=night, idx=0).update(task="a_task_that_is_gone")
    nightly_refresh.call_local()
    night.refresh_from_db()
    assert night.state == "cancelled"
    assert tonight(team, work).state == "done"


def test_cause_that_follows_a_pause_is_emailed_as_well(team, set_up, github, work):
    github.faults(REFUSED)
    night, _ = refresh(team.pk, kind=Kind.NIGHTLY)
    engine.pause(night)
    paused_since(night, 2)
    nightly_refresh.call_local()
    StepRun.objects.filter(run=night).update(backoff_seconds=0.01)
    engine.resume(night)
    assert work(night).cause == "token_refused"
    assert len(emails("began")) == 4
    assert RefreshFailure.objects.for_team(team).get(ended_at=None).cause == "token_refused"


def test_night_without_github_goes_on_once_it_is_back(team, set_up, github, work, settings):
    settings.GITHUB_API_URL = f"http://127.0.0.1:{free_port()}"
    run = tonight(team, work)
    until = time.monotonic() + 120
    while run.state != "failed" and time.monotonic() < until:
        sweep()
        work(run)
        time.sleep(0.05)
    assert (run.state, run.cause) == ("failed", "unreachable")
    settings.GITHUB_API_URL = github.url
    nightly_refresh.call_local()
    run.refresh_from_db()
    assert run.state == "failed", "it waits for half an hour"
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(minutes=31))
    for _ in range(2):
        nightly_refresh.call_local()
    assert work(run).state == "done"
    assert (run.generation, run.acted_by_name) == (2, SCHEDULE)
    assert len(emails("began")) == len(emails("ended")) == 2
    assert Run.objects.filter(pipeline="nightly").count() == 1


def test_night_whose_token_is_refused_waits_for_a_person(team, set_up, github, work):
    github.faults(REFUSED)
    run = tonight(team, work)
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(minutes=31))
    nightly_refresh.call_local()
    run.refresh_from_db()
    assert (run.state, run.generation) == ("failed", 1)


def test_one_repository_that_a_webhook_reads_in_vain_is_no_failing_refresh(
    team, set_up, github, work
):
    tracked = TrackedRepository.objects.for_team(team).order_by("pk").first()
    github.hide(tracked.repository.full_name)
    run, _ = refresh(team.pk, kind=Kind.WEBHOOK, repo_ids=[tracked.pk])
    assert work(run).state == "failed"
    assert not RefreshFailure.objects.for_team(team).exists()


def test_updated_is_the_time_of_the_newest_read_of_each_repository(
    team, set_up, github, work, mara
):
    rows = TrackedRepository.objects.for_team(team).order_by("pk")
    first, second = rows
    long_ago = timezone.now() - timedelta(days=9)
    rows.update(last_synced_at=long_ago)
    run, _ = refresh(team.pk, repo_ids=[first.pk])
    assert work(run).state == "done"
    first.refresh_from_db()

    def updated(**query):
        page = mara.get(reverse("metrics:dashboard", args=[team.slug]), query).content.decode()
        return re.search(r'data-read-at="([^"]+)"', page)[1]

    assert updated() == updated(repository=second.pk) == long_ago.isoformat()
    assert updated(repository=first.pk) == first.last_synced_at.isoformat()


def test_a_refresh_brings_figures_before_the_model_reads(team, set_up, work, mara):
    mara.post(reverse("onboarding:refresh", args=[team.slug]))
    run = Run.objects.filter(subject=f"team:{team.pk}").first()
    keys = list(run.steps.order_by("idx").values_list("key", flat=True))
    assert keys == ["sync", "markers", "metrics", "insights", "analyse"]
    assert run.kind == Kind.REFRESH
    page = mara.get(reverse("onboarding:run_detail", args=[team.slug, run.pk])).content.decode()
    assert 'data-kind="refresh"' in page
    assert "will-email" not in page
    assert "did-email" not in page
    StepRun.objects.filter(run=run, idx__lt=4).update(state="done")
    StepRun.objects.filter(run=run, idx=4).update(state="ready")
    for step in run.steps.all():
        newest = (
            Event.objects.filter(run=run, kind="step", key=step.key).order_by("-seq").first()
        )
        newest.data["state"] = step.state
        newest.save()
    assert states.of_team(team.pk).figures == "current"
    work(run)
    assert not OutboxMessage.objects.exists()


def test_a_refresh_reads_the_markers_that_its_weekly_figures_count(team, set_up, work):
    PullRequest.objects.for_team(team).update(markers_version=0)
    run, _ = refresh(team.pk)
    assert work(run).state == "done"
    assert not PullRequest.objects.for_team(team).filter(markers_version=0).exists()


def test_a_new_token_leads_back_to_the_failed_run_which_resumes(
    team, github, begin, work, mara
):
    github.faults(REFUSED)
    run = work(begin())
    here = reverse("onboarding:run_detail", args=[team.slug, run.pk])
    assert attributes(mara.get(here), "run-note") == ("failed", "token_refused", "new_token")
    github.faults()
    answer = mara.post(
        reverse("onboarding:connect", args=[team.slug]), {"source": "github", "token": "better"}
    )
    assert answer["Location"] == here
    page = mara.get(here)
    assert attributes(page, "run-note") == ("failed", "token_refused", "retry")
    assert f'data-resumes-at="{run.percent}"' in page.content.decode()
    mara.post(reverse("onboarding:run_retry", args=[team.slug, run.pk]))
    assert work(run).state == "done"
    assert run.generation == 2
    assert (run.act, run.acted_by_name) == ("retried", "mara")
    assert Run.objects.count() == 1


def test_a_new_token_leads_back_to_a_failed_refresh_too(team, set_up, github, work, mara):
    github.faults(REFUSED)
    run = tonight(team, work)
    github.faults()
    store_token(team, "better")
    assert states.of_team(team.pk).credentials[0].state.name == "replaced"
    assert states.of_team(team.pk).resumable.id == run.pk
    engine.retry(run)
    assert work(run).state == "done"
    assert states.of_team(team.pk).credentials[0].state.name == "connected"
