"""Kinds of runs by states by places: page, header, badge, API, command line, and email
show the same.

The table below is written by hand. Everything else is read from data attributes, JSON,
and email headers of the product at work.
"""

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.integrations.models import TrackedRepository
from apps.mail.models import OutboxMessage
from apps.metrics.api import tokens
from apps.onboarding.services.refreshing import refresh
from apps.pipelines import engine
from apps.pipelines.models import Worker
from apps.pipelines.worker import process_id
from tests.acceptance.conftest import pull_request
from tests.sandbox.server import start_sandbox

KINDS = ("onboarding", "nightly", "refresh", "webhook")
# state: what each place shows as (state, cause, remedy), and the author of an act.
EXPECTED = {
    "stalled": ("stalled", "no_worker", "operator", None),
    "queued": ("queued", "", "none", None),
    "parked": ("parked", "rate_limit", "wait", None),
    "paused": ("paused", "paused", "none", "mara"),
    "cancelled": ("cancelled", "canceled", "retry", "mara"),
    "failed": ("failed", "token_refused", "new_token", None),
    "partial": ("partial", "not_found", "retry", None),
    "empty": ("empty", "no_pull_requests", "none", None),
    "done": ("done", "", "none", None),
}
# Which runs email, and which email it is.
EMAILS = {
    ("onboarding", "done"): "complete",
    ("onboarding", "partial"): "complete",
    ("onboarding", "empty"): "complete",
    ("onboarding", "failed"): "failed",
    ("nightly", "failed"): "refresh_began",
    ("refresh", "failed"): "refresh_began",
    ("webhook", "failed"): "refresh_began",
}
PAIRS = [(kind, state) for kind in KINDS for state in EXPECTED]
ENDED = ("cancelled", "failed", "partial", "empty", "done")
REFUSED = {"status": 401, "body": {"message": "Bad credentials"}}


@pytest.fixture
def mara(team, person):
    client = Client()
    client.force_login(person("mara"))
    return client


@pytest.fixture
def api(team, person):
    _, text = tokens.make(team, "Report", person("mara"))
    return lambda: (
        Client()
        .get(reverse("metrics:api_state"), headers={"Authorization": f"Bearer {text}"})
        .json()
    )


@pytest.fixture(scope="session")
def old_server(tmp_path_factory):
    """A sandbox with one repository, whose only pull request is older than any window."""
    folder = tmp_path_factory.mktemp("old")
    (folder / "acme__old.jsonl").write_text(json.dumps(pull_request("acme/old", 400)) + "\n")
    with start_sandbox(data=folder) as url:
        yield url


@pytest.fixture
def reach(team, begin, work, github, person, settings, old_server):
    """Bring a run of a kind into a state."""

    def reach(kind, state):
        names = ["acme/api", "acme/web"]
        if state == "empty":
            settings.GITHUB_API_URL = old_server
            names = ["acme/old"]
        if state != "stalled":
            # In the future, so that it counts as seen however long the test takes.
            now = timezone.now() + timedelta(hours=1)
            Worker.objects.create(
                owner=process_id.me(),
                queues=["sync", "llm", "compute", "email"],
                started_at=now,
                seen_at=now,
                swept_at=now,
            )
        if kind != "onboarding":
            work(begin(*names))
            OutboxMessage.objects.all().delete()
        if state == "parked":
            github.faults({"rate_limit": "primary", "reset_in": 600})
        elif state == "failed":
            github.faults(REFUSED)
        elif state == "partial":
            github.hide("acme/web")
        run = begin(*names) if kind == "onboarding" else start(kind)
        match state:
            case "paused":
                engine.pause(run, by=person("mara"))
            case "cancelled":
                engine.cancel(run, by=person("mara"))
            case "parked" | "failed" | "partial" | "empty" | "done":
                work(run)
        run.refresh_from_db()
        return run

    def start(kind):
        rows = TrackedRepository.objects.for_team(team)
        only = (
            {"repo_ids": list(rows.values_list("pk", flat=True))} if kind == "webhook" else {}
        )
        return refresh(team.pk, kind=kind, **only)[0]

    return reach


def attributes(html, element):
    """The state that an element of a page shows."""
    tag = re.search(rf'<[^>]*id="{element}"[^>]*>', html)[0]
    found = dict(re.findall(r'data-(state|cause|remedy|actor)="([^"]*)"', tag))
    return found["state"], found["cause"], found["remedy"], found.get("actor")


def from_json(found):
    return found["state"], found["cause"], found["remedy"], found["actor"] or None


@pytest.mark.parametrize(("kind", "state"), PAIRS)
def test_every_place_shows_the_same_state(team, reach, mara, api, kind, state):
    run = reach(kind, state)
    expected = EXPECTED[state]
    page = mara.get(reverse("onboarding:run_detail", args=[team.slug, run.pk])).content.decode()
    # Whether there is a worker is asked beside the stream, which nothing writes to
    # then.
    element = "run-workers" if state == "stalled" else "run-note"
    shown = {"page": attributes(page, element)}
    header = mara.get(reverse("onboarding:indicator", args=[team.slug])).content.decode()
    shown["header"] = attributes(header, "run-indicator")
    told = api()
    shown["API"] = from_json(told["run"] or told["newest"])
    out = StringIO()
    call_command("run", "show", str(run.pk), "--json", stdout=out)
    shown["command line"] = from_json(json.loads(out.getvalue()))
    assert shown == dict.fromkeys(shown, expected)
    assert json.loads(out.getvalue())["kind"] == kind
    if not run.is_live:
        badge = re.search(
            r'class="badge[^>]*>', mara.get(reverse("onboarding:landing")).content.decode()
        )[0]
        assert (
            f'data-state="{expected[0]}" data-cause="{expected[1]}" data-remedy="{expected[2]}"'
            in badge
        )


@pytest.mark.parametrize(("kind", "state"), [pair for pair in PAIRS if pair[1] in ENDED])
def test_emails_have_the_state_of_their_run_and_are_sent_once(team, reach, kind, state):
    reach(kind, state)
    found = OutboxMessage.objects.exclude(dedupe_key__contains="welcome")
    expected = EMAILS.get((kind, state))
    if expected is None:
        assert not found.exists()
        return
    assert sorted(found.values_list("recipient", flat=True)) == [
        "mara@acme.example",
        "teo@acme.example",
    ]
    for message in found:
        headers = message.headers
        assert headers["X-Firstlight-Email"] == expected
        told = tuple(
            headers[f"X-Firstlight-{name}"] for name in ("Kind", "State", "Cause", "Remedy")
        )
        assert told == (kind, *EXPECTED[state][:3])
