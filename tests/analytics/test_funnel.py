"""How far people come: each journey counts once in a stage, whatever was retried,
repeated, or left no event.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from apps.analytics import funnel
from apps.analytics.models import AnalyticsEvent, EventName
from apps.analytics.templatetags.spans import span
from apps.onboarding.pipeline import ANALYSE, NOTIFY, SYNC
from apps.teams.services import create_team
from apps.users.models import User

STEPS = ["sync", "analyse", "metrics", "insights", "notify"]
PAGE = "admin:analytics_funnel_changelist"


class Story:
    """Events as the product records them, each some minutes after the one before."""

    def __init__(self, name, begins=timedelta(hours=1)):
        self.user = User.objects.create_user(f"{name}@example.com")
        self.team = None
        self.name, self.now = name, timezone.now() - begins
        self.run = uuid4()

    def tell(self, name, minutes=1.0, **data):
        self.now += timedelta(minutes=minutes)
        event = AnalyticsEvent.objects.create(
            name=name,
            once_key=str(uuid4()),
            user=self.user,
            team=self.team,
            run=self.run if "pipeline" in data else None,
            data=data,
        )
        AnalyticsEvent.objects.filter(pk=event.pk).update(at=self.now)
        return self

    def signs_up(self):
        return self.tell(EventName.SIGNED_UP)

    def connects(self, minutes=2.0):
        self.team = self.team or create_team(self.name, self.user)
        return self.tell(EventName.CONNECTED, minutes, source="github")

    def of_run(self, name, minutes=1.0, pipeline="onboarding", **data):
        return self.tell(name, minutes, pipeline=pipeline, **data)

    def starts(self):
        self.tell(EventName.CHOSE, repositories=3)
        return self.of_run(EventName.STARTED)

    def passes(self, *steps, minutes=1.0):
        for step in steps:
            self.of_run(EventName.STEP, minutes, step=step, state="done")
        return self

    def fails(self, step, error):
        return self.of_run(EventName.FAILED, step=step, error=error)

    def completes(self):
        return self.of_run(EventName.COMPLETED, state="done")


def counts(since=None):
    return {stage.title: stage.count for stage in funnel.stages(since)}


def test_without_events_all_is_zero_and_nothing_is_divided(db):
    stages = funnel.stages()
    assert [stage.title for stage in stages] == [
        "Signed up",
        "Connected a source",
        "Chose repositories",
        "Run started",
        SYNC.title,
        ANALYSE.title,
        "Weekly metrics",
        "Insights",
        NOTIFY.title,
        "Completed",
    ]
    assert {
        (stage.count, stage.of_first, stage.of_previous, stage.p50, stage.p90)
        for stage in stages
    } == {(0, None, None, None, None)}
    assert funnel.reasons() == []


def test_each_stage_counts_those_who_came_that_far(db):
    Story("ada").signs_up().connects().starts().passes(*STEPS).completes()
    Story("bob").signs_up().connects().starts().passes("sync").fails("analyse", "No key.")
    Story("cy").signs_up().connects()
    Story("dan").signs_up()
    stages = funnel.stages()
    assert [stage.count for stage in stages] == [4, 3, 2, 2, 2, 1, 1, 1, 1, 1]
    assert (stages[1].of_first, stages[1].of_previous) == (0.75, 0.75)
    assert stages[2].of_previous == pytest.approx(2 / 3)
    assert stages[0].of_previous is None


def test_retries_and_later_runs_count_once_and_time_runs_to_the_first(db):
    ada = Story("ada").signs_up().connects(10).starts().passes("sync", minutes=4)
    ada.fails("analyse", "No key.").of_run(EventName.RETRIED).passes(*STEPS[1:]).completes()
    ada.run = uuid4()
    ada.connects().starts().passes(*STEPS, minutes=60).completes()
    stages = {stage.title: stage for stage in funnel.stages()}
    assert {stage.count for stage in stages.values()} == {1}
    assert stages["Connected a source"].p50 == pytest.approx(600)
    assert (stages[SYNC.title].p50, stages[SYNC.title].measured) == (
        pytest.approx(240),
        1,
    )
    assert stages[ANALYSE.title].p50 == pytest.approx(180), (
        "the failure and the retry are waited for"
    )


def test_percentiles_interpolate(db):
    for number, minutes in enumerate((1, 2, 3, 4, 11)):
        Story(f"p{number}").signs_up().connects(minutes)
    connected = funnel.stages()[1]
    assert (connected.p50, connected.p90) == (
        pytest.approx(180),
        pytest.approx((4 + 0.6 * 7) * 60),
    )


def test_who_came_by_the_command_line_passed_the_stages_before(db):
    Story("ada").connects().starts().passes(*STEPS).completes()
    stages = funnel.stages()
    assert {stage.count for stage in stages} == {1}
    assert stages[1].measured == 0


def test_a_person_is_one_journey_with_the_first_team_and_guests_are_none(db):
    ada = Story("ada").signs_up().connects().starts()
    ada.team = create_team("Second", ada.user)
    ada.connects()
    guest = Story("guest").signs_up()
    ada.team.memberships.create(user=guest.user, role="member")
    assert counts()["Signed up"] == 2
    assert funnel.stages()[1].measured == 1


def test_nightly_runs_are_nobodys_journey(db):
    ada = Story("ada").signs_up().connects()
    for name in (EventName.STARTED, EventName.COMPLETED, EventName.FAILED):
        ada.of_run(name, pipeline="nightly", step="sync", error="No.")
    assert counts()["Run started"] == 0
    assert funnel.reasons() == []


def test_a_window_takes_the_journeys_that_began_in_it(db):
    Story("old", begins=timedelta(days=8)).signs_up().connects(minutes=60 * 24 * 7)
    Story("new").signs_up()
    assert counts(timezone.now() - timedelta(days=7))["Signed up"] == 1
    assert counts(timezone.now() - timedelta(days=7))["Connected a source"] == 0
    assert counts()["Connected a source"] == 1


def test_failures_are_counted_by_reason_not_by_what_is_particular(db):
    ada = (
        Story("ada")
        .connects()
        .starts()
        .fails("sync", "GitHub knows no repository acme/api: 404 after 3.5 s.")
    )
    ada.fails("sync", "GitHub knows no repository acme/api: 404 after 7 s.").passes(
        *STEPS
    ).completes()
    Story("bob").connects().starts().fails(
        "sync", "GitHub knows no repository other/web-2: 404 after 12 s."
    )
    Story("cy").connects().starts().fails("analyse", "The key “sk-1” was refused.")
    first, second = funnel.reasons()
    assert (first.step, first.words) == (
        SYNC.title,
        "GitHub knows no repository …: … after … s.",
    )
    assert (first.runs, first.teams, first.completed) == (2, 2, 1)
    assert (second.words, second.runs, second.completed) == ("The key … was refused.", 1, 0)
    assert funnel.reasons(timezone.now()) == []


def test_the_admin_links_and_shows_it(admin_client):
    Story("ada").signs_up().connects().starts().passes(*STEPS).completes()
    Story("bob").signs_up().connects().starts().fails("sync", "The token was refused.")
    url = reverse(PAGE)
    assert url == "/admin/analytics/funnel/"
    for name in ("admin:index", "admin:analytics_analyticsevent_changelist"):
        assert f'href="{url}"' in admin_client.get(reverse(name)).text
    page = admin_client.get(url).text
    assert 'width="50.0%"' in page
    assert "50\N{NO-BREAK SPACE}%" in page
    assert "The token was refused." in page
    assert "style=" not in page.partition('id="content-main"')[2]
    for window in ("7", "90", "all", "nonsense", ""):
        assert admin_client.get(url, {"days": window}).status_code == 200


def test_it_takes_a_permission_of_its_own(client, db):
    staff = User.objects.create_user("staff@example.com", is_staff=True)
    client.force_login(staff)
    assert client.get(reverse(PAGE)).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_funnel"))
    assert client.get(reverse(PAGE)).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.44, "0.4 s"),
        (59, "59 s"),
        (90, "1.5 min"),
        (3600 * 2.5, "2.5 h"),
        (86400 * 3, "3 days"),
    ],
)
def test_spans_in_words(seconds, words):
    assert span(seconds) == words.replace(" ", "\N{NO-BREAK SPACE}")
