"""Webhooks: only what GitHub signed is taken in, once, by the same ingest; a sync reads the rest soon after."""

import hashlib
import hmac
import json
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.integrations import webhooks
from apps.integrations.credentials import rotate
from apps.integrations.models import Connection, Delivery, SyncStatus, TrackedRepository, Webhook
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import DetailState, PRReview, PullRequest
from apps.onboarding.tasks import refresh_changed
from apps.pipelines.models import Run
from apps.teams.models import OnboardingStatus, Team
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def synced(octo, team, follow):
    (tracked,) = follow("octo/hello")
    sync_historical_data_task.call_local(team_id=team.pk)
    tracked.refresh_from_db()
    return tracked


@pytest.fixture
def hook(team):
    return webhooks.make(team, None)


def signed_by(secret, client, address, event, payload, *, guid=None, body=None, **options):
    """A delivery as GitHub sends it."""
    body = json.dumps(payload).encode() if body is None else body
    headers = {
        "x-github-event": event,
        "x-github-delivery": guid or str(uuid.uuid4()),
        "x-hub-signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}",
    }
    options.setdefault("content_type", "application/json")
    return client.post(address, body, headers=headers, **options)


@pytest.fixture
def deliver(client, hook):
    def deliver(event, payload, *, secret=None, **options):
        address = reverse("integrations:webhook", kwargs={"key": hook[0].key})
        return signed_by(secret or hook[1], client, address, event, payload, **options)

    return deliver


def said(tracked, number, **changes):
    """A pull request as GitHub's deliveries have it."""
    stored = PullRequest.objects.for_team(tracked.team_id).filter(repository_id=tracked.pk, number=number).first()
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    node = {
        "node_id": stored.external_id if stored else f"PR_new_{number}", "id": 5_000_000 + number, "number": number,
        "title": "Told by GitHub", "body": "At once.", "html_url": f"https://github.com/octo/hello/pull/{number}",
        "state": "open", "draft": False, "created_at": "2026-03-28T09:00:00Z" if stored else at, "updated_at": at,
        "merged_at": None, "closed_at": None, "additions": 7, "deletions": 3, "changed_files": 2,
        "base": {"ref": "main"}, "head": {"ref": "topic"}, "merge_commit_sha": "f" * 40,
        "user": {"login": "alice", "id": 77, "type": "User"}, "merged_by": None, "labels": [{"name": "api"}],
    }  # fmt: skip
    repository = {"node_id": tracked.repository.external_id, "full_name": "octo/hello"}
    return {"action": "opened", "repository": repository, "pull_request": node | changes}


def test_a_new_pull_request_is_there_at_once_and_read_whole_by_the_next_sync(octo, team, synced, deliver):
    answer = deliver("pull_request", said(synced, 300))
    assert (answer.status_code, answer.content) == (200, b"taken in")
    pull = PullRequest.objects.for_team(team).get(number=300)
    assert (pull.title, pull.additions, pull.author.login, pull.labels) == ("Told by GitHub", 7, "alice", ["api"])
    assert pull.detail_state == DetailState.PENDING
    synced.refresh_from_db()
    assert synced.changed_at is not None


def test_what_is_merged_keeps_its_details_until_the_sync_has_read_the_new_ones(octo, team, synced, deliver):
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    deliver("pull_request", said(synced, 3, state="closed", merged_at=at, closed_at=at))
    pull = PullRequest.objects.for_team(team).get(number=3)
    assert (pull.state, pull.detail_state, pull.commits.count(), pull.reviews.count()) == ("merged", "pending", 1, 1)
    octo.put(record(3, updatedAt=at, state="MERGED", mergedAt=at))
    sync_historical_data_task.call_local(team_id=team.pk)
    pull.refresh_from_db()
    assert (pull.detail_state, pull.commits.count(), pull.reviews.count()) == ("complete", 1, 0)


def test_a_review_makes_the_sync_read_that_pull_request_again(octo, team, synced, deliver):
    review = {"author": {"login": "bob"}, "state": "APPROVED", "submittedAt": "2026-03-30T11:00:00Z"}
    # GitHub's time of change does not always move with a review.
    octo.put(record(1, reviews=[review]))
    payload = said(synced, 1)
    payload["pull_request"] = {"node_id": payload["pull_request"]["node_id"]}
    assert deliver("pull_request_review", payload).content == b"taken in"
    sync_historical_data_task.call_local(team_id=team.pk)
    assert PRReview.objects.for_team(team).filter(pull_request__number=1, state="approved").count() == 1


def test_a_delivery_that_comes_again_is_ignored(team, synced, deliver):
    assert deliver("pull_request", said(synced, 300), guid="one").content == b"taken in"
    changed = said(synced, 300, title="Played back by somebody")
    assert deliver("pull_request", changed, guid="one").content == b"repeated"
    assert PullRequest.objects.for_team(team).get(number=300).title == "Told by GitHub"
    assert Delivery.objects.count() == 1


def test_what_is_not_signed_with_the_secret_is_not_read(team, synced, deliver, hook):
    assert deliver("pull_request", said(synced, 300), secret="a guess").status_code == 403
    webhooks.make(team, None)
    # A new secret makes the old one void.
    assert deliver("pull_request", said(synced, 300)).status_code == 403
    assert not PullRequest.objects.for_team(team).filter(number=300).exists()
    assert not Delivery.objects.exists()


def test_a_webhook_reaches_its_own_team_only(octo, team, synced, deliver):
    Webhook.objects.for_team(team).update(team=Team.objects.create(name="Other", slug="other"))
    assert deliver("pull_request", said(synced, 300)).content == b"not followed"
    assert not PullRequest.objects.for_team(team).filter(number=300).exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"created_at": "yesterday"}, "created_at should be a time"), ({"state": "exploded"}, "open or closed")],
)
def test_what_cannot_be_used_is_said_and_may_be_sent_again(team, synced, deliver, change, words):
    answer = deliver("pull_request", said(synced, 300, **change), guid="one")
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert deliver("pull_request", said(synced, 300), guid="one").content == b"taken in"


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(synced, deliver, body):
    assert deliver("pull_request", None, body=body).status_code == 422


def test_a_form_is_read_as_well(team, synced, deliver):
    from urllib.parse import urlencode

    body = urlencode({"payload": json.dumps(said(synced, 300))}).encode()
    answer = deliver("pull_request", None, body=body, content_type="application/x-www-form-urlencoded")
    assert answer.content == b"taken in"


def test_events_that_nobody_needs_are_ignored(synced, deliver):
    assert deliver("star", {"action": "created"}).content == b"ignored"
    assert deliver("ping", {"zen": "Keep it simple."}).content == b"ignored"


def test_a_repository_that_is_renamed_or_deleted(team, synced, deliver):
    payload = {"action": "renamed", "repository": {"node_id": synced.repository.external_id, "full_name": "octo/hi"}}
    deliver("repository", payload)
    row = TrackedRepository.objects.for_team(team).get()
    assert row.repository.full_name == "octo/hi"
    deliver("repository", payload | {"action": "deleted"})
    row.refresh_from_db()
    assert row.sync_status == SyncStatus.ERROR
    assert "deleted on GitHub" in row.last_sync_error


def test_what_was_told_of_is_read_a_minute_later_by_one_run(octo, team, synced, deliver):
    Team.objects.filter(pk=team.pk).update(onboarding_pipeline_status=OnboardingStatus.DONE)
    Connection.objects.for_team(team).update(connected_at=timezone.now())
    Run.objects.update(created_at=timezone.now() - timedelta(minutes=10))
    deliver("push", {"repository": {"node_id": synced.repository.external_id}})
    refresh_changed.call_local()
    assert not Run.objects.filter(pipeline="nightly").exists()
    TrackedRepository.objects.for_team(team).update(changed_at=timezone.now() - timedelta(minutes=2))
    TrackedRepository.objects.for_team(team).update(last_synced_at=timezone.now() - timedelta(minutes=5))
    refresh_changed.call_local()
    refresh_changed.call_local()
    run = Run.objects.get(pipeline="nightly")
    assert run.params == {"team_id": team.pk, "repo_ids": [synced.pk], "limit": 1000}


def test_keys_can_be_changed_for_webhooks_too(team, synced, deliver, settings):
    from cryptography.fernet import Fernet

    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *settings.CREDENTIAL_KEYS]
    assert rotate() == 2
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    assert deliver("pull_request", said(synced, 300)).content == b"taken in"
