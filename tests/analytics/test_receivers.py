"""The journey is recorded from the signals that the product itself sends, each thing
once.
"""

import pytest
from allauth.account.signals import user_signed_up
from django.db import connection, transaction
from django.urls import reverse

from apps.analytics.models import AnalyticsEvent, EventName
from apps.onboarding.signals import repositories_chosen, source_connected
from apps.pipelines import engine
from apps.pipelines.models import Run
from apps.pipelines.signals import pipeline_completed, pipeline_started
from apps.teams.services import create_team
from apps.users.models import User

PASSWORD = "correct horse battery"


@pytest.fixture
def user(transactional_db):
    return User.objects.create_user("ada@example.com")


@pytest.fixture
def team(user):
    return create_team("Acme", user)


@pytest.fixture
def run(lab, team, user):
    return engine.start("lab", subject=f"team:{team.pk}", params={"items": 2}, started_by=user)[
        0
    ]


def names():
    return list(AnalyticsEvent.objects.order_by("pk").values_list("name", flat=True))


def event(name):
    return AnalyticsEvent.objects.get(name=name)


def test_a_run_is_recorded_from_start_to_end(lab, run, team, user):
    lab.drain()
    assert names() == [EventName.STARTED, *[EventName.STEP] * 5, EventName.COMPLETED]
    for row in AnalyticsEvent.objects.all():
        assert (row.team, row.user, row.run) == (team, user, run.pk)
        assert row.data["pipeline"] == "lab"
    steps = (
        AnalyticsEvent.objects.filter(name=EventName.STEP)
        .order_by("pk")
        .values_list("data", flat=True)
    )
    assert [(step["step"], step["state"]) for step in steps] == [
        (key, "done") for key in ("one", "two", "three", "four", "five")
    ]
    assert all(step["seconds"] >= 0 for step in steps)
    completed = event(EventName.COMPLETED).data
    assert (completed["state"], completed["missing"]) == ("done", 0)
    assert completed["seconds"] > 0


def test_a_failure_and_its_retry_are_recorded_by_generation(lab, team, tmp_path):
    mended = tmp_path / "mended"
    params = {"items": 2, "permanent": {"two": "No such thing."}, "mended": str(mended)}
    run, _ = engine.start("lab", subject=f"team:{team.pk}", params=params)
    lab.drain()
    failed = event(EventName.FAILED).data
    assert (failed["step"], failed["error"], failed["generation"]) == (
        "two",
        "No such thing.",
        1,
    )
    mended.touch()
    engine.retry(Run.objects.get(pk=run.pk))
    lab.drain()
    ends = [EventName.FAILED, EventName.RETRIED, EventName.COMPLETED]
    assert [name for name in names() if name in ends] == ends
    assert event(EventName.COMPLETED).data["generation"] == 2
    assert not AnalyticsEvent.objects.exclude(user=None).exists()


def test_a_gap_is_counted(lab, team):
    engine.start(
        "lab",
        subject=f"team:{team.pk}",
        params={"items": 1, "partial": {"one": "Not readable."}},
    )
    lab.drain()
    data = event(EventName.COMPLETED).data
    assert (data["state"], data["missing"]) == ("partial", 1)


def test_a_cancelled_run_is_recorded(run):
    engine.cancel(run)
    assert names() == [EventName.STARTED, EventName.CANCELLED]


def test_a_signal_that_is_sent_again_counts_once(lab, run):
    lab.drain()
    before = AnalyticsEvent.objects.count()
    run.refresh_from_db()
    pipeline_started.send(sender=Run, run=run)
    pipeline_completed.send(sender=Run, run=run, state="done")
    assert AnalyticsEvent.objects.count() == before


@pytest.mark.parametrize(
    "subject", ["lab:1", "team:", "team:x", "team:²", "team:999999", "repository:5"]
)
def test_runs_of_other_subjects_have_no_team(lab, subject):
    engine.start("lab", subject=subject, params={"items": 1})
    assert event(EventName.STARTED).team is None


def test_no_receiver_failed(lab, run):
    lab.drain()
    assert not run.events.filter(kind="receiver_failed").exists()


def test_a_sign_up_is_recorded_once(client, db):
    fields = {"email": "ada@example.com", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), fields)
    user = User.objects.get()
    user_signed_up.send(sender=User, request=None, user=user)
    assert event(EventName.SIGNED_UP).user == user


def test_connecting_counts_once_for_a_source_and_choosing_once_for_a_team(team, user):
    for source in ("github", "git", "github"):
        source_connected.send(sender=None, team=team, user=user, source=source)
    for count in (3, 5):
        repositories_chosen.send(sender=None, team=team, user=user, count=count)
    assert names() == [EventName.CONNECTED, EventName.CONNECTED, EventName.CHOSE]
    assert event(EventName.CHOSE).data == {"repositories": 3}
    assert AnalyticsEvent.objects.filter(team=team, user=user).count() == 3


def test_what_happened_outlives_the_account_and_goes_with_the_team(team, user):
    source_connected.send(sender=None, team=team, user=user, source="git")
    team.memberships.all().delete()
    user.delete()
    assert event(EventName.CONNECTED).user is None
    team.delete()
    assert not AnalyticsEvent.objects.exists()


def test_the_admin_lists_events(admin_client, team, user):
    source_connected.send(sender=None, team=team, user=user, source="git")
    page = admin_client.get(
        reverse("admin:analytics_analyticsevent_changelist"), {"q": "acme"}
    ).text
    assert "Connected a source" in page
    assert (
        admin_client.post(reverse("admin:analytics_analyticsevent_add"), {}).status_code == 403
    )


@pytest.fixture
def no_table(transactional_db):
    """The table of events is away, as one that was damaged or may not be written."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE analytics_analyticsevent RENAME TO analytics_away")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE analytics_away RENAME TO analytics_analyticsevent")


def test_failing_table_keeps_no_one_from_signing_up_or_connecting(client, team, user, no_table):
    fields = {"email": "bob@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(reverse("account_signup"), fields).status_code == 302
    assert User.objects.filter(email="bob@example.com").exists()
    with transaction.atomic():
        source_connected.send(sender=None, team=team, user=user, source="git")
        repositories_chosen.send(sender=None, team=team, user=user, count=3)
        # What they are sent in goes on.
        team.name = "Acme and Sons"
        team.save()
    team.refresh_from_db()
    assert team.name == "Acme and Sons"
