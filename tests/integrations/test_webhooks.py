"""Webhooks: only what GitHub signed is taken in, once, by the same ingest; a sync reads
the rest soon after.
"""

import hashlib
import hmac
import io
import itertools
import json
import tracemalloc
import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from apps.integrations.encryption import rotate
from apps.integrations.models import (
    Connection,
    Delivery,
    SyncStatus,
    TrackedRepository,
    Webhook,
)
from apps.integrations.sources.github import deliveries
from apps.integrations.sources.github.fields import Malformed
from apps.integrations.sync import attempts
from apps.integrations.tasks import sync_historical_data_task
from apps.integrations.webhooks import handling, views
from apps.metrics.factories import RepositoryFactory
from apps.metrics.models import DetailState, PRReview, PullRequest
from apps.metrics.records import ChangeKind
from apps.onboarding.tasks import refresh_changed
from apps.pipelines.exceptions import Permanent
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
    return handling.make(team, None)


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
        address = reverse(
            "integrations:webhook", kwargs={"source": "github", "key": hook[0].key}
        )
        return signed_by(secret or hook[1], client, address, event, payload, **options)

    return deliver


def said(tracked, number, **changes):
    """A pull request as GitHub's deliveries have it."""
    stored = (
        PullRequest.objects.for_team(tracked.team_id)
        .filter(repository_id=tracked.pk, number=number)
        .first()
    )
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    node = {
        "node_id": stored.external_id if stored else f"PR_new_{number}",
        "id": 5_000_000 + number,
        "number": number,
        "title": "Told by GitHub",
        "body": "At once.",
        "html_url": f"https://github.com/octo/hello/pull/{number}",
        "state": "open",
        "draft": False,
        "created_at": "2026-03-28T09:00:00Z" if stored else at,
        "updated_at": at,
        "merged_at": None,
        "closed_at": None,
        "additions": 7,
        "deletions": 3,
        "changed_files": 2,
        "base": {"ref": "main", "repo": {"id": 9}},
        "head": {"ref": "topic", "repo": {"id": 9}},
        "merge_commit_sha": "f" * 40,
        "user": {"login": "alice", "id": 77, "type": "User"},
        "merged_by": None,
        "labels": [{"name": "api"}],
    }
    repository = {"node_id": tracked.repository.external_id, "full_name": "octo/hello"}
    return {"action": "opened", "repository": repository, "pull_request": node | changes}


def test_a_new_pull_request_is_there_at_once_and_read_whole_by_the_next_sync(
    octo, team, synced, deliver
):
    answer = deliver("pull_request", said(synced, 300))
    assert (answer.status_code, answer.content) == (200, b"taken in")
    pull = PullRequest.objects.for_team(team).get(number=300)
    assert (pull.title, pull.additions, pull.author.login, pull.labels) == (
        "Told by GitHub",
        7,
        "alice",
        ["api"],
    )
    assert pull.detail_state == DetailState.PENDING
    synced.refresh_from_db()
    assert synced.changed_at is not None


def test_delivery_from_before_the_window_adds_nothing(team, synced, deliver):
    before = (synced.synced_since - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = deliver("pull_request", said(synced, 301, created_at=before, updated_at=before))
    assert answer.status_code == 200
    assert not PullRequest.objects.for_team(team).filter(number=301).exists()
    deliver("pull_request", said(synced, 302, created_at=before))
    assert PullRequest.objects.for_team(team).filter(number=302).exists()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ({"ref": "develop", "repo": {"id": 9}}, ChangeKind.RELEASE),
        ({"ref": "develop", "repo": {"id": 10}}, ChangeKind.PULL_REQUEST),
        ({"ref": "develop", "repo": None}, ChangeKind.PULL_REQUEST),
    ],
)
def test_webhook_names_a_release(octo, team, synced, deliver, head, kind):
    deliver("pull_request", said(synced, 300, head=head))
    assert PullRequest.objects.for_team(team).get(number=300).kind == kind


def test_what_is_merged_keeps_its_details_until_the_sync_has_read_the_new_ones(
    octo, team, synced, deliver
):
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    deliver("pull_request", said(synced, 3, state="closed", merged_at=at, closed_at=at))
    pull = PullRequest.objects.for_team(team).get(number=3)
    assert (pull.state, pull.detail_state, pull.commits.count(), pull.reviews.count()) == (
        "merged",
        "pending",
        1,
        1,
    )
    octo.put(record(3, updatedAt=at, state="MERGED", mergedAt=at))
    sync_historical_data_task.call_local(team_id=team.pk)
    pull.refresh_from_db()
    assert (pull.detail_state, pull.commits.count(), pull.reviews.count()) == ("complete", 1, 0)


def test_a_review_makes_the_sync_read_that_pull_request_again(octo, team, synced, deliver):
    review = {
        "author": {"login": "bob"},
        "state": "APPROVED",
        "submittedAt": "2026-03-30T11:00:00Z",
    }
    # GitHub's time of change does not always move with a review.
    octo.put(record(1, reviews=[review]))
    payload = said(synced, 1)
    payload["pull_request"] = {"node_id": payload["pull_request"]["node_id"]}
    assert deliver("pull_request_review", payload).content == b"taken in"
    sync_historical_data_task.call_local(team_id=team.pk)
    assert (
        PRReview.objects.for_team(team).filter(pull_request__number=1, state="approved").count()
        == 1
    )


def test_a_delivery_that_comes_again_is_ignored(team, synced, deliver):
    assert deliver("pull_request", said(synced, 300), guid="one").content == b"taken in"
    changed = said(synced, 300, title="Played back by somebody")
    assert deliver("pull_request", changed, guid="one").content == b"repeated"
    assert PullRequest.objects.for_team(team).get(number=300).title == "Told by GitHub"
    assert Delivery.objects.count() == 1


def test_what_is_not_signed_with_the_secret_is_not_read(team, synced, deliver, hook):
    assert deliver("pull_request", said(synced, 300), secret="a guess").status_code == 403
    handling.make(team, None)
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
    [
        ({"created_at": "yesterday"}, "created_at should be a time"),
        ({"state": "exploded"}, "open or closed"),
    ],
)
def test_what_cannot_be_used_is_said_and_may_be_sent_again(
    team, synced, deliver, change, words
):
    answer = deliver("pull_request", said(synced, 300, **change), guid="one")
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert deliver("pull_request", said(synced, 300), guid="one").content == b"taken in"


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused(synced, deliver, body):
    assert deliver("pull_request", None, body=body).status_code == 422


def test_a_form_is_read_as_well(team, synced, deliver):
    body = urlencode({"payload": json.dumps(said(synced, 300))}).encode()
    answer = deliver(
        "pull_request", None, body=body, content_type="application/x-www-form-urlencoded"
    )
    assert answer.content == b"taken in"


def test_events_that_nobody_needs_are_ignored(synced, deliver):
    assert deliver("star", {"action": "created"}).content == b"ignored"
    assert deliver("ping", {"zen": "Keep it simple."}).content == b"ignored"


def test_a_repository_that_is_renamed_or_deleted(team, synced, deliver):
    payload = {
        "action": "renamed",
        "repository": {"node_id": synced.repository.external_id, "full_name": "octo/hi"},
    }
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
    deliver("pull_request", said(synced, 300))
    refresh_changed.call_local()
    assert not Run.objects.filter(pipeline="nightly").exists()
    TrackedRepository.objects.for_team(team).update(
        changed_at=timezone.now() - timedelta(minutes=2)
    )
    TrackedRepository.objects.for_team(team).update(
        read_began_at=timezone.now() - timedelta(minutes=5)
    )
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


def padded(payload, size):
    """A delivery's JSON of exactly `size` bytes."""
    body = json.dumps(payload | {"padding": ""}).encode()
    return body[:-2] + b"x" * (size - len(body)) + b'"}'


@pytest.mark.parametrize("size", [5_000_000, deliveries.MAX_BYTES])
def test_a_large_push_is_dropped_without_being_parsed_or_kept(synced, hook, rf, size):
    request = signed_by(hook[1], rf, "/hooks/github/", "push", None, body=b"{" * size)
    tracemalloc.start()
    try:
        answer = views.receive(request, "github", hook[0].key)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.content) == (200, b"ignored")
    assert peak < 2_000_000
    synced.refresh_from_db()
    assert synced.changed_at is None


@pytest.mark.parametrize("form", [False, True])
def test_a_large_delivery_of_a_pull_request_is_used(team, synced, deliver, form):
    body, kind = padded(said(synced, 300), 5_000_000), "application/json"
    if form:
        # Escapes lie on every place of a piece.
        body, kind = (
            urlencode({"payload": body.decode()}).encode(),
            "application/x-www-form-urlencoded",
        )
    answer = deliver("pull_request", None, body=body, content_type=kind)
    assert (answer.status_code, answer.content) == (200, b"taken in")
    assert PullRequest.objects.for_team(team).get(number=300).body == "At once."


def test_a_delivery_above_25_mb_gets_413_in_a_sentence(synced, deliver):
    answer = deliver("push", None, body=b" " * (deliveries.MAX_BYTES + 1))
    assert (answer.status_code, answer.headers["content-type"]) == (
        413,
        "text/plain; charset=utf-8",
    )
    assert answer.content.strip().endswith(b".")


def test_a_delivery_that_names_no_length_is_read_up_to_25_mb(synced, hook):
    names = ("x-github-event", "x-github-delivery", "x-hub-signature-256")
    values = ("push", "one", "sha256=" + "a" * 64)
    headers = [
        (name.encode(), value.encode()) for name, value in zip(names, values, strict=True)
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/hooks/github/",
        "query_string": b"",
        "headers": headers,
    }
    body = io.BytesIO(b" " * (deliveries.MAX_BYTES + 2 * deliveries.CHUNK))
    answer = views.receive(ASGIRequest(scope, body), "github", hook[0].key)
    assert answer.status_code == 413
    assert body.tell() <= deliveries.MAX_BYTES + deliveries.CHUNK


@pytest.mark.parametrize("start", range(3))
def test_a_form_is_decoded_in_pieces_without_cutting_an_escape(start):
    payload = {"text": "a" * start + "é+ &%" * 50_000}
    body = bytearray(
        urlencode({"payload": json.dumps(payload, ensure_ascii=False), "more": "1"}).encode()
    )
    assert deliveries.parse(body, deliveries.FORM) == payload


def test_a_payload_of_too_many_parts_is_refused_before_it_takes_memory():
    body = bytearray(b'{"a": [' + b"[]," * 2_000_000 + b"[]]}")
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            deliveries.parse(body, "application/json")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "signature", ["", "sha256=", "sha1=" + "a" * 64, "sha256=" + "a" * 63, "sha256=" + "é" * 64]
)
def test_a_malformed_signature_gets_403(synced, client, hook, signature):
    address = reverse("integrations:webhook", kwargs={"source": "github", "key": hook[0].key})
    headers = {
        "x-hub-signature-256": signature,
        "x-github-event": "push",
        "x-github-delivery": "one",
    }
    answer = client.post(address, b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 403


def test_a_delivery_with_an_id_of_the_former_format_makes_no_second_pull_request(
    team, synced, deliver
):
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    payload = said(synced, 3, state="closed", merged_at=at, closed_at=at, title="Renamed")
    payload["pull_request"]["node_id"] = "MDExOlB1bGxSZXF1ZXN0Mw=="
    payload["repository"] = {
        "node_id": "MDEwOlJlcG9zaXRvcnkx",
        "id": synced.repository.github_id,
    }
    assert deliver("pull_request", payload).content == b"taken in"
    pull = PullRequest.objects.for_team(team).get(number=3)
    assert pull.title == "Renamed"
    assert pull.external_id != "MDExOlB1bGxSZXF1ZXN0Mw=="


def test_deliveries_of_one_second_in_the_wrong_order_leave_it_merged(team, synced, deliver):
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    opened = said(synced, 3, updated_at=at)
    merged = said(synced, 3, updated_at=at, state="closed", merged_at=at, closed_at=at)
    deliver("pull_request", merged)
    deliver("pull_request", opened)
    pull = PullRequest.objects.for_team(team).get(number=3)
    assert (pull.state, pull.detail_state) == ("merged", DetailState.PENDING)


def deleted(tracked):
    repository = {"node_id": tracked.repository.external_id, "full_name": "octo/hello"}
    return {"action": "deleted", "repository": repository}


@pytest.fixture
def ready(team):
    """A team whose changes are read soon."""
    Team.objects.filter(pk=team.pk).update(onboarding_pipeline_status=OnboardingStatus.DONE)
    return team


def minutes_later(count):
    """Let so much time pass for all that has happened."""
    by = timedelta(minutes=count)
    Run.objects.update(created_at=F("created_at") - by)
    moments = ("changed_at", "read_began_at", "ended_at", "last_synced_at", "gone_at")
    TrackedRepository.objects.across_teams().update(**{name: F(name) - by for name in moments})


def test_a_deleted_repository_is_stated_once_and_causes_no_run(octo, ready, synced, deliver):
    deliver("repository", deleted(synced))
    minutes_later(6)
    refresh_changed.call_local()
    assert not Run.objects.filter(pipeline="nightly").exists()
    synced.refresh_from_db()
    assert (synced.sync_status, synced.cause, synced.remedy) == (
        "error",
        "repository_deleted",
        "none",
    )


def test_a_night_after_the_deletion_gives_the_same_reason_until_it_is_restored(
    octo, ready, synced, deliver
):
    deliver("repository", deleted(synced))
    reason = TrackedRepository.objects.for_team(ready).get().last_sync_error
    missing = {
        "type": "NOT_FOUND",
        "path": ["repository"],
        "message": "Could not resolve to a Repository.",
    }
    octo.faults({"errors": [missing]})
    with pytest.raises(Permanent):
        sync_historical_data_task.call_local(team_id=ready.pk)
    synced.refresh_from_db()
    assert (synced.cause, synced.remedy, synced.last_sync_error) == (
        "repository_deleted",
        "none",
        reason,
    )
    octo.reset()
    sync_historical_data_task.call_local(team_id=ready.pk)
    synced.refresh_from_db()
    assert (synced.sync_status, synced.cause, synced.gone_at, synced.failed_reads) == (
        "complete",
        "",
        None,
        0,
    )


def test_what_was_tried_after_the_change_counts_as_tried(octo, ready, synced, deliver, worker):
    deliver("pull_request", said(synced, 300))
    octo.faults(
        {
            "errors": [
                {
                    "type": "FORBIDDEN",
                    "path": ["repository"],
                    "message": "Resource not accessible.",
                }
            ]
        }
    )
    minutes_later(6)
    for _ in range(4):
        refresh_changed.call_local()
        for run in Run.objects.filter(pipeline="nightly"):
            worker.drain(run)
        minutes_later(6)
    assert Run.objects.filter(pipeline="nightly").count() == 1


def test_failing_reads_are_tried_less_often_and_at_last_by_the_night_only(
    octo, ready, synced, deliver, worker
):
    octo.faults(
        {
            "errors": [
                {
                    "type": "FORBIDDEN",
                    "path": ["repository"],
                    "message": "Resource not accessible.",
                }
            ]
        }
    )
    started = []
    for minute in range(0, 12 * 60, 6):
        deliver("pull_request", said(synced, 300))
        minutes_later(6)
        before = Run.objects.count()
        refresh_changed.call_local()
        if Run.objects.count() > before:
            started.append(minute)
            worker.drain(Run.objects.filter(pipeline="nightly").latest("created_at"))
    gaps = [later - earlier for earlier, later in itertools.pairwise(started)]
    assert gaps == sorted(gaps)
    assert len(started) == attempts.TRIES
    synced.refresh_from_db()
    assert synced.failed_reads == attempts.TRIES


def test_author_of_a_deleted_account_is_the_same_in_a_webhook_and_in_a_sync(
    octo, team, synced, deliver
):
    at = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    octo.put(record(50, author=None, createdAt=at, updatedAt=at))
    sent = {"Authorization": "Bearer of any shape"}
    repository, pull = (
        octo.http.get(path, headers=sent).json()
        for path in ("/repos/octo/hello", "/repos/octo/hello/pulls/50")
    )
    # REST has an account in place of a deleted one, GraphQL has null.
    assert pull["user"]["login"] == "ghost"
    assert (
        deliver("pull_request", {"repository": repository, "pull_request": pull}).content
        == b"taken in"
    )
    author = PullRequest.objects.for_team(team).get(number=50).author
    sync_historical_data_task.call_local(team_id=team.pk)
    assert PullRequest.objects.for_team(team).get(number=50).author == author
    assert author.key == "ghost"


def test_a_delivery_belongs_to_the_repository_with_its_number(team, synced, deliver):
    """The node id is an address: of another repository's here, as it may be after an
    upgrade of GitHub's server.
    """
    other = TrackedRepository.objects.create(
        team=team,
        repository=RepositoryFactory(
            team=team, full_name="octo/other", external_id="R_other", github_id=991
        ),
        synced_since=synced.synced_since,
    )
    payload = said(synced, 300, title="Of the other one")
    payload["repository"] = {
        "node_id": synced.repository.external_id,
        "id": 991,
        "full_name": "octo/other",
    }
    assert deliver("pull_request", payload).content == b"taken in"
    assert PullRequest.objects.for_team(team).get(number=300).repository == other.repository
    synced.refresh_from_db()
    other.refresh_from_db()
    assert (synced.changed_at, other.changed_at is not None) == (None, True)


def test_a_node_id_finds_no_repository_with_another_number(team, synced, deliver):
    payload = said(synced, 301)
    payload["repository"] = {
        "node_id": synced.repository.external_id,
        "id": 992,
        "full_name": "octo/new",
    }
    assert deliver("pull_request", payload).content == b"not followed"
    assert not PullRequest.objects.for_team(team).filter(number=301).exists()


def test_a_delivery_with_another_ones_node_id_changes_neither_pull_request(
    team, synced, deliver
):
    before = PullRequest.objects.for_team(team).get(number=3)
    payload = said(synced, 302, node_id=before.external_id)
    deliver("pull_request", payload)
    after = PullRequest.objects.for_team(team).get(number=3)
    assert (after.title, after.external_id) == (before.title, before.external_id)
    assert not PullRequest.objects.for_team(team).filter(number=302).exists()
    synced.refresh_from_db()
    assert synced.changed_at is not None
