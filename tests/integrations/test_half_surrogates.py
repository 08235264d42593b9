"""Text that no database stores, half a surrogate pair, is stored storable: from the
API, a webhook, and a clone.
"""

import json

import pytest

from apps.integrations.connections.grants import grant
from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import SyncStatus
from apps.integrations.sources.github.credentials import store_token
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import Commit, PullRequest, TeamMember
from apps.pipelines.models import RunState
from apps.teams.models import Team
from tests.integrations import test_webhooks
from tests.integrations.fresh import differences
from tests.integrations.git.conftest import Builder
from tests.integrations.test_incremental import ago, sync
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)

HALF = "\ud83d"
# Git keeps bytes as they are: this is half a pair in UTF-8, and a byte of another
# encoding.
RAW = b"a\xed\xa0\xbdb \xe9"
synced, hook, deliver = test_webhooks.synced, test_webhooks.hook, test_webhooks.deliver


def texts(team):
    """Return all text that is stored of a team's pull requests."""
    found = []
    for pull in PullRequest.objects.for_team(team):
        found += [pull.title, pull.body, pull.head_ref, pull.base_ref, *pull.labels]
    for commit in Commit.objects.for_team(team):
        found += [commit.message, commit.author_name, commit.author_email]
    for member in TeamMember.objects.for_team(team):
        found += [member.key, member.login, member.name]
    return found


def spoilt(**values):
    eve = {"login": f"eve{HALF}", "name": f"Eve{HALF}"}
    commit = {
        "oid": "c" * 40,
        "message": f"Work{HALF}",
        "authoredDate": ago(hours=3),
        "author": eve,
    }
    review = {
        "author": {"login": f"rex{HALF}"},
        "state": "APPROVED",
        "submittedAt": ago(hours=2),
        "body": f"Ok{HALF}",
    }
    values |= {
        "author": eve,
        "commits": [commit],
        "reviews": [review],
        "labels": [f"label{HALF}"],
    }
    return record(
        40, title=f"Title{HALF}", body=f"Body{HALF}", headRefName=f"branch{HALF}", **values
    )


def test_api(octo, team, follow):
    created = ago(hours=4)
    octo.put(record(40, createdAt=created, updatedAt=created, mergedAt=None, state="OPEN"))
    (tracked,) = follow("octo/hello")
    sync(team)
    # In JSON half a pair is an escape of ASCII.
    body = json.dumps(
        [spoilt(createdAt=created, updatedAt=ago(hours=1), mergedAt=ago(hours=1))]
    )
    octo.http.post("/_sandbox/pull_requests", content=body).raise_for_status()
    for _ in range(2):
        run = sync_historical_data_task.call_local(team_id=team.pk)
        tracked.refresh_from_db()
        assert (run.state, tracked.sync_status) == (RunState.DONE, SyncStatus.COMPLETE), (
            run.missing
        )
    pull = PullRequest.objects.for_team(team).select_related("author").get(number=40)
    assert (pull.title, pull.head_ref, pull.author.login) == ("Title?", "branch?", "eve?")
    assert pull.reviews.get().reviewer.login == "rex?"
    assert all(text.isprintable() for text in texts(team))
    fresh = Team.objects.create(name="Fresh", slug="fresh")
    store_token(fresh, "a token of any shape")
    track_repositories(fresh, "github", ["octo/hello"])
    sync(fresh)
    assert differences(team, fresh) == []


def test_webhook(octo, team, synced, deliver):
    merged = {"state": "closed", "merged_at": ago(hours=0), "closed_at": ago(hours=0)}
    payload = test_webhooks.said(synced, 3, title=f"Title{HALF}", body=f"Body{HALF}", **merged)
    payload["pull_request"]["head"]["ref"] = f"branch{HALF}"
    payload["pull_request"]["user"]["login"] = f"eve{HALF}"
    payload["pull_request"]["labels"] = [{"name": f"label{HALF}"}]
    assert deliver("pull_request", payload).content == b"taken in"
    pull = PullRequest.objects.for_team(team).select_related("author").get(number=3)
    assert (pull.title, pull.head_ref, pull.author.login) == ("Title?", "branch?", "eve?")


def test_clone(worker, tmp_path, settings, transactional_db):
    settings.GIT_SOURCE_ROOT = tmp_path
    clone = Builder(tmp_path / "api")
    clone.commit("Begin (#1)", {"a.txt": "1\n"}, hour=1)

    def read(name):
        team, is_new = Team.objects.get_or_create(name=name, slug=name)
        if is_new:
            grant(team, "git")
            track_repositories(team, "git", ["api"])
        run = worker.drain(worker.start(sync_historical_data_task, team_id=team.pk, months=600))
        assert run.state == RunState.DONE, (run.error, run.missing)
        return team

    team = read("refreshed")
    tree, parent = clone.git("rev-parse", "HEAD^{tree}"), clone.git("rev-parse", "HEAD")
    who = b"E" + RAW + b" <e" + RAW.replace(b" ", b"") + b"@acme.example> 1767250000 +0000"
    headers = b"tree %b\nparent %b\nauthor %b\ncommitter %b\n" % (
        tree.encode(),
        parent.encode(),
        who,
        who,
    )
    clone.git(
        "update-ref",
        "refs/heads/main",
        clone.raw(headers, b"Title " + RAW + b" (#2)\n\nBody " + RAW + b"\n"),
    )
    read("refreshed")
    assert PullRequest.objects.for_team(team).filter(number=2).exists()
    assert not any(
        "\ud800" <= character <= "\udfff" for text in texts(team) for character in text
    )
    assert differences(team, read("fresh")) == []
