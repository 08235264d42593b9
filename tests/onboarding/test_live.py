"""The live page over real rows: what it shows in each state, what its stream sends, and
what may be done there.
"""

import re

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.models import SyncStatus
from apps.onboarding.fragments import render
from apps.onboarding.live import clock_words, live
from apps.onboarding.pipeline import SYNC
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines import engine, events
from apps.pipelines.models import Run, RunState, StepState, Worker
from apps.pipelines.projection import project
from apps.pipelines.worker import process_id
from apps.teams.models import Membership, Role
from apps.teams.services import create_team
from apps.users.models import User

pytestmark = pytest.mark.django_db

NAMES = ["acme/api", "acme/web"]


@pytest.fixture
def owner():
    return User.objects.create_user("mara@acme.example")


@pytest.fixture
def team(owner):
    return create_team("Acme & <b>Sons</b>", owner)


@pytest.fixture
def start(team, owner):
    def start(names=NAMES):
        tracked = track_repositories(team, "github", names)
        return start_onboarding(team, owner, tracked, 12)[0]

    return start


@pytest.fixture
def signed_in(client, owner):
    client.force_login(owner)
    return client


@pytest.fixture
def everybody_works():
    now = timezone.now()
    Worker.objects.create(
        owner=process_id.me(),
        queues=["sync", "llm", "compute", "email"],
        started_at=now,
        seen_at=now,
        swept_at=now,
    )


def address(run, team, view="detail"):
    return reverse(f"onboarding:run_{view}", args=[team.slug, run.pk])


def fail(run, error="GitHub timed out.", cause="overloaded", remedy="retry"):
    with transaction.atomic():
        step = run.steps.get(idx=0)
        step.state, step.error, step.finished_at = StepState.FAILED, error, timezone.now()
        step.cause, step.remedy = cause, remedy
        step.save()
        events.append(run.pk, [events.step_entry(step)])
        engine.fail(
            Run.objects.get(pk=run.pk), error, timezone.now(), cause=cause, remedy=remedy
        )


def repository(run, name, status, error="", done=0, total=None):
    state = project(run.pk).items["repository"][name]
    state |= {"sync_status": status, "last_sync_error": error, "done": done, "total": total}
    with transaction.atomic():
        events.append(run.pk, [events.Entry("repository", name, data=state)])


def squeezed(html):
    return re.sub(r"\s+", " ", html)


def sent(html):
    """The parts that a stream's frame carries, by the id that each is swapped for."""
    part = r'<hx-partial hx-target="#([^"]+)" hx-swap="(?:outerMorph|beforeend)">(.*?)</hx-partial>'
    parts = re.findall(part, html, re.DOTALL)
    return {target: squeezed(body).strip() for target, body in parts}


def test_a_page_shows_each_repository_from_its_first_moment(start, team, signed_in):
    run = start()
    html = signed_in.get(address(run, team)).content.decode()
    assert all(name in html for name in NAMES)
    assert "Setting up Acme &amp; &lt;b&gt;Sons" in html
    assert f"?seq={run.events.count()}" in html


def test_what_the_stream_sends_is_what_a_reload_renders(start, team, signed_in):
    run = start()
    repository(run, "acme/api", "syncing", done=3, total=9)
    with transaction.atomic():
        data = {
            "weeks": [{"week": "2026-11-16", "merged": 4, "median": 5.0, "p75": 9.0}],
            "so_far": True,
            "whole_from": None,
            "preliminary": True,
        }
        insight = {
            "title": "Reviews are slow <i>",
            "body": "b",
            "evidence": [],
            "preliminary": True,
        }
        events.append(
            run.pk,
            [
                events.Entry("weeks", "team", data=data),
                events.Entry("insight", "first", data=insight),
            ],
        )
        events.append(run.pk, [events.Entry("log", "sync", "A line <script>", "warning")])
    for change in (lambda: None, lambda: fail(run)):
        change()
        html = squeezed(signed_in.get(address(run, team)).content.decode())
        parts = sent(render(project(run.pk), None))
        assert {
            "run-title",
            "run-progress",
            "run-note",
            "run-repositories",
            "run-charts",
            "run-log",
            "run-seq",
            "run-insight",
            "step-sync",
            "step-notify",
        } <= parts.keys()
        for target, part in parts.items():
            assert part in html, target


def test_a_change_sends_no_more_than_the_parts_that_show_it(start):
    run = start()
    before = project(run.pk)
    repository(run, "acme/web", "complete", done=5, total=5)
    after = project(run.pk)
    key = after.items["repository"]["acme/web"]["id"]
    assert sent(render(after, before.seq)).keys() == {
        f"repository-{key}",
        "step-sync",
        "run-seq",
    }


def frame_after_one_change(start, repositories, log_lines):
    """Return the stream's HTML after one repository of so many changed and wrote a line
    of the log.
    """
    run = start([f"acme/r{number:03d}" for number in range(repositories)])
    lines = [events.Entry("log", "sync", f"Line {number:03d}") for number in range(log_lines)]
    with transaction.atomic():
        events.append(run.pk, lines)
    before = project(run.pk)
    repository(run, "acme/r007", "syncing", done=5, total=9)
    with transaction.atomic():
        events.append(run.pk, [events.Entry("log", "sync", "acme/r007 is read")])
    frame = render(project(run.pk), before.seq)
    engine.cancel(run)
    return frame


@pytest.mark.parametrize(("repositories", "log_lines"), [(100, 10), (10, 90)])
def test_frame_does_not_grow_with_repositories_or_log(start, repositories, log_lines):
    small = len(frame_after_one_change(start, 10, 10))
    Run.objects.all().delete()
    large = len(frame_after_one_change(start, repositories, log_lines))
    assert large - small < 100


def test_frame_adds_new_log_lines_only(start):
    run = start()
    before = project(run.pk)
    with transaction.atomic():
        events.append(run.pk, [events.Entry("log", "sync", "A new line")])
    parts = sent(render(project(run.pk), before.seq))
    assert re.findall(r'id="log-(\d+)"', parts["run-log"]) == [str(before.seq + 1)]


def test_frame_replaces_the_log_if_all_its_lines_are_new(start):
    run = start()
    before = project(run.pk)
    lines = [events.Entry("log", "sync", f"Line {number}") for number in range(120)]
    with transaction.atomic():
        events.append(run.pk, lines)
    part = sent(render(project(run.pk), before.seq))["run-log"]
    assert part.startswith('<ol id="run-log"')
    assert part.count("<li") == 100


def test_markup_in_names_and_errors_is_text(start, team, signed_in):
    run = start()
    repository(run, "acme/api", "error", "<script>alert(1)</script>")
    fail(run, "<img src=x onerror=alert(1)>")
    html = signed_in.get(address(run, team)).content.decode()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "&lt;img src=x" in html


@pytest.mark.parametrize(
    ("state", "cause", "remedy", "act"),
    [
        ("queued", "", "none", "cancel"),
        ("paused", "paused", "none", "resume"),
        ("cancelled", "canceled", "retry", "retry-all"),
        ("failed", "overloaded", "retry", "retry-all"),
    ],
)
def test_each_state_says_what_and_what_next(start, team, signed_in, state, cause, remedy, act):
    run = start()
    match state:
        case "paused":
            engine.pause(run)
        case "cancelled":
            engine.cancel(run)
        case "failed":
            fail(run)
    html = signed_in.get(address(run, team)).content.decode()
    assert f'data-state="{state}" data-cause="{cause}" data-remedy="{remedy}"' in html
    assert f'id="{act}"' in html


def test_a_refused_token_asks_for_a_new_one_first(start, team, signed_in):
    run = start()
    fail(run, "GitHub refused the request (401).", "token_refused", "new_token")
    html = signed_in.get(address(run, team)).content.decode()
    assert re.search(r'class="button primary"\s+href="[^"]+/sources/#token"', html)


def test_waiting_for_a_limit_says_until_when(start):
    run = start()
    with transaction.atomic():
        step = run.steps.get(idx=0)
        step.state, step.message = StepState.PARKED, "GitHub's hourly limit is used up."
        step.parked_until = timezone.now()
        step.save()
        events.append(run.pk, [events.step_entry(step)])
    shown = live(project(run.pk))
    assert shown.until == step.parked_until.isoformat()
    assert shown.steps[0].why == "GitHub's hourly limit is used up."


def test_retry_goes_on_with_a_new_stream(start, team, signed_in):
    run = start()
    fail(run)
    response = signed_in.post(address(run, team, "retry"), headers={"hx-request": "true"})
    run.refresh_from_db()
    assert (response.status_code, run.state, run.generation) == (200, RunState.RUNNING, 2)
    html = response.content.decode()
    assert re.match(r'\s*<div\s+id="live"', html)
    assert f"?seq={run.seq}" in html


def test_without_javascript_retry_leads_back_to_the_page(start, team, signed_in):
    run = start()
    fail(run)
    response = signed_in.post(address(run, team, "retry"))
    assert (response.status_code, response.url) == (303, address(run, team))


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize(
    ("view", "said"),
    [("cancel", "already done"), ("pause", "ended already"), ("resume", "ended already")],
)
def test_a_stale_button_is_answered_in_words_and_does_no_harm(
    start, team, signed_in, view, said, htmx
):
    run = start()
    engine.cancel(run)
    before = Run.objects.values().get(pk=run.pk)
    headers = {"hx-request": "true"} if htmx else {}
    response = signed_in.post(address(run, team, view), headers=headers, follow=True)
    assert response.status_code == 200
    assert said in response.content.decode()
    assert Run.objects.values().get(pk=run.pk) == before


def test_a_second_retry_says_that_it_is_under_way(start, team, signed_in):
    run = start()
    fail(run)
    for _ in range(2):
        response = signed_in.post(address(run, team, "retry"), headers={"hx-request": "true"})
    run.refresh_from_db()
    assert run.generation == 2
    assert "still in progress" in response.content.decode()


def test_members_may_watch_and_no_more(start, team, client):
    member = User.objects.create_user("bob@acme.example")
    Membership.objects.create(team=team, user=member, role=Role.MEMBER)
    client.force_login(member)
    run = start()
    assert "may-manage" not in client.get(address(run, team)).content.decode()
    response = client.post(address(run, team, "cancel"), headers={"hx-request": "true"})
    assert response.status_code == 403
    assert "Only owners and admins" in response.content.decode()
    assert client.post(address(run, team, "cancel")).status_code == 403
    assert Run.objects.get(pk=run.pk).state == RunState.RUNNING


def test_an_ended_session_leads_to_the_log_in_page_and_back(start, team, client):
    run = start()
    response = client.post(
        address(run, team, "cancel"),
        headers={
            "hx-request": "true",
            "hx-current-url": f"http://testserver{address(run, team)}",
        },
    )
    assert response["HX-Redirect"].startswith(reverse("account_login"))
    assert client.get(address(run, team, "cancel")).status_code == 302
    assert Run.objects.get(pk=run.pk).state == RunState.RUNNING


def test_a_run_of_another_team_is_not_there(start, owner, client):
    run = start()
    other = create_team("Other", owner)
    client.force_login(owner)
    assert client.get(address(run, other)).status_code == 404
    assert client.post(address(run, other, "cancel")).status_code == 404


def test_no_worker_is_said_where_one_is_wanted(start, team, signed_in):
    run = start()
    assert (
        'data-cause="no_worker"'
        in signed_in.get(address(run, team, "workers")).content.decode()
    )


def test_nothing_is_said_while_somebody_works(start, team, signed_in, everybody_works):
    run = start()
    html = signed_in.get(address(run, team, "workers")).content.decode()
    assert "no_worker" not in html
    assert f'data-seq="{run.events.count()}"' in html


def test_other_pages_show_how_far_a_run_is(start, team, signed_in):
    empty = signed_in.get(reverse("onboarding:indicator", args=[team.slug])).content.decode()
    assert "live-spot" not in empty
    run = start()
    html = signed_in.get(reverse("onboarding:indicator", args=[team.slug])).content.decode()
    assert address(run, team) in html


def test_sync_status_tells_of_the_newest_run(start, team, signed_in):
    url = reverse("onboarding:sync_status", args=[team.slug])
    assert signed_in.get(url).json()["run"] is None
    run = start()
    repository(run, "acme/web", "error", "There is no such repository.", total=0)
    run.refresh_from_db()
    told = signed_in.get(url).json()
    steps = told.pop("steps")
    assert told.pop("team")["cause"] == "no_worker"
    assert told == {
        "run": str(run.pk),
        "seq": run.seq,
        "state": "running",
        "percent": 0,
        "eta_seconds": None,
        "repositories": [
            {
                "name": "acme/api",
                "sync_status": "pending",
                "last_sync_error": "",
                "done": 0,
                "total": None,
            },
            {
                "name": "acme/web",
                "sync_status": "error",
                "last_sync_error": "There is no such repository.",
                "done": 0,
                "total": 0,
            },
        ],
    }
    assert [step["key"] for step in steps] == [
        "sync",
        "analyse",
        "metrics",
        "insights",
        "notify",
    ]
    assert steps[0] == {"key": "sync", "state": "ready", "done": 0, "total": None}
    assert {"pending", "syncing", "complete", "partial", "error"} == set(SyncStatus.values)


def test_clocks():
    assert [clock_words(seconds) for seconds in (0, 7.9, 751, 3723)] == [
        "0:00",
        "0:07",
        "12:31",
        "1:02:03",
    ]


def step_at_work(run, **values):
    with transaction.atomic():
        step = run.steps.get(idx=0)
        for name, value in {
            "state": StepState.RUNNING,
            "started_at": timezone.now(),
            **values,
        }.items():
            setattr(step, name, value)
        step.save()
        events.append(run.pk, [events.step_entry(step)])


def test_the_sync_sums_up_its_repositories(start):
    run = start([*NAMES, "acme/docs"])
    step_at_work(run)
    assert "finished" not in live(project(run.pk)).steps[0].why
    repository(run, "acme/api", "complete", done=5, total=5)
    repository(run, "acme/web", "error", "GitHub timed out.")
    assert live(project(run.pk)).steps[0].why == "1 of 3 repositories finished, 1 failed"


def test_until_the_total_is_known_the_bar_claims_nothing(start, team, signed_in):
    run = start()
    step_at_work(run)
    html = signed_in.get(address(run, team)).content.decode()
    assert 'class="dots"' in html
    assert "aria-valuenow" not in html
    Run.objects.filter(pk=run.pk).update(percent=4)
    with transaction.atomic():
        events.append(run.pk, [events.run_entry(Run.objects.get(pk=run.pk))])
    html = signed_in.get(address(run, team)).content.decode()
    assert 'class="dots"' not in html
    assert 'aria-valuenow="4"' in html


@pytest.mark.parametrize(
    ("status", "done", "state", "lasts"),
    [
        ("syncing", 0, "waiting", ""),
        ("syncing", 90, "running", "12/s"),
        ("complete", 120, "done", "0:07"),
    ],
)
def test_a_repository_says_how_fast_or_how_long(start, status, done, state, lasts):
    run = start()
    data = project(run.pk).items["repository"]["acme/api"]
    data |= {
        "phase": "detail",
        "sync_status": status,
        "done": done,
        "total": 120,
        "seconds": 7.5,
    }
    with transaction.atomic():
        events.append(run.pk, [events.Entry("repository", "acme/api", data=data)])
    row = next(row for row in live(project(run.pk)).repositories if row.name == "acme/api")
    assert (row.state, row.lasts) == (state, lasts)


def test_what_a_failed_run_has_read_is_named(start, team, signed_in):
    run = start()
    step_at_work(run, done=1, total=9, unit="pull requests")
    fail(run)
    html = squeezed(signed_in.get(address(run, team)).content.decode())
    assert re.search(rf"<dt>{SYNC.title}</dt>\s*<dd>1 pull request</dd>", html)


def test_a_run_that_is_done_shows_what_stands_out(start, team, signed_in):
    run = start()
    found = [
        {"title": f"Finding {n}", "body": "b", "evidence": [], "of": 3, "preliminary": False}
        for n in range(3)
    ]
    ranked = zip(("first", "second", "third"), found, strict=True)
    with transaction.atomic():
        events.append(
            run.pk, [events.Entry("insight", rank, data=data) for rank, data in ranked]
        )
        engine.finish(
            Run.objects.get(pk=run.pk), list(run.steps.order_by("idx")), timezone.now()
        )
    html = signed_in.get(address(run, team)).content.decode()
    places = [html.index(f"Finding {n}") for n in range(3)]
    assert places == sorted(places)
