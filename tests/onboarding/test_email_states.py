"""The emails of a setup differ by how it ended, tell of a cause once, and lead to the
page that helps.
"""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from apps.mail.models import OutboxMessage
from apps.onboarding.services import notifications
from apps.pipelines import engine
from apps.pipelines.models import Run
from apps.teams.services import create_team
from apps.users.models import User
from tests.mail.every_kind import person

pytestmark = pytest.mark.django_db

TOTALS = {
    "repositories": 3,
    "pull_requests": 120,
    "reviews": 80,
    "commits": 300,
    "ai_assisted": 12,
}
GAPS = [
    {"what": f"acme/{name}", "why": "GitHub timed out (502)."} for name in ("api", "web", "ios")
]
REFUSED = "GitHub does not accept the token."


@pytest.fixture
def owner():
    return person("lead@acme.example")


@pytest.fixture
def team(owner):
    return create_team("Acme", owner)


def start(team):
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    return run


def end(run, state, **values):
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=timezone.now(), **values)
    run.refresh_from_db()
    return run


def complete(run, owner, *, totals=TOTALS, missing=()):
    return notifications.send_sync_complete_email(run, owner, totals, list(missing))


def link_of(message):
    """Return the path of the button."""
    found = re.search(r'class="button-link"\s+href="([^"]+)"', message.html)
    return urlsplit(unescape(found[1])).path


@pytest.mark.parametrize(
    ("totals", "missing", "state", "page"),
    [
        (TOTALS, [], "done", "/t/acme/"),
        (TOTALS, GAPS, "partial", "/t/acme/"),
        (TOTALS | {"pull_requests": 0}, [], "empty", "/t/acme/onboarding/repositories/"),
        (TOTALS | {"pull_requests": 0}, GAPS, "partial", "/t/acme/"),
    ],
)
def test_email_names_how_the_setup_ended(team, owner, totals, missing, state, page):
    message = complete(start(team), owner, totals=totals, missing=missing)
    assert message.headers["X-Firstlight-State"] == state
    assert message.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link_of(message) == page


def test_subjects_differ_by_state(team, owner):
    subjects = set()
    for totals, missing in ((TOTALS, []), (TOTALS, GAPS), (TOTALS | {"pull_requests": 0}, [])):
        run = start(team)
        subjects.add(complete(run, owner, totals=totals, missing=missing).subject)
        run.delete()
    assert len(subjects) == 3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_partial_subject_names_what_is_missing(team, owner, count):
    subject = complete(start(team), owner, missing=GAPS[:count]).subject.replace("\u2060", "")
    assert "acme/api" in subject
    assert ("acme/web" in subject) is (count == 2)
    assert (str(count - 1) in subject) is (count == 3)


def test_only_the_first_setup_of_a_team_has_first_insights(team, owner):
    first = complete(end(start(team), "done"), owner)
    second = complete(start(team), owner)
    other = create_team("Globex", owner)
    of_other = complete(start(other), owner)
    assert first.subject != second.subject
    assert first.subject.replace(team.name, other.name) == of_other.subject


def test_retried_setup_has_no_first_insights_again(team, owner):
    run = start(team)
    first = complete(run, owner)
    Run.objects.filter(pk=run.pk).update(generation=run.generation + 1)
    run.refresh_from_db()
    assert complete(run, owner).subject != first.subject


def fail(team, error=REFUSED):
    run = end(start(team), "failed", error=error)
    return notifications.send_onboarding_failed_email(run, error)


def test_second_failure_with_the_same_cause_is_not_emailed(team):
    assert len(fail(team)) == 1
    assert fail(team) == []
    assert OutboxMessage.objects.count() == 1


def test_retry_that_fails_again_is_not_emailed(team):
    run = end(start(team), "failed", error=REFUSED)
    assert notifications.send_onboarding_failed_email(run, REFUSED)
    Run.objects.filter(pk=run.pk).update(generation=run.generation + 1)
    run.refresh_from_db()
    assert notifications.send_onboarding_failed_email(run, REFUSED) == []


def test_another_cause_is_emailed(team):
    fail(team)
    assert len(fail(team, "GitHub answered 500.")) == 1


def test_same_cause_is_emailed_again_after_a_success(team):
    fail(team)
    end(start(team), "done")
    assert len(fail(team)) == 1


def test_same_cause_is_emailed_again_after_a_day(team):
    fail(team)
    OutboxMessage.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert len(fail(team)) == 1


def test_failures_of_another_team_do_not_matter(team, owner):
    fail(team)
    assert len(fail(create_team("Globex", owner))) == 1


def test_people_who_turned_failures_off_get_none(team, owner):
    owner.memberships.update(email_failures=False)
    assert fail(team) == []
    assert notifications.recipients(start(team), notifications.EmailKind.FINISHED) == [owner]


@pytest.mark.parametrize("kind", ["welcome", "complete", "failed"])
def test_account_without_password_is_led_to_set_one(client, kind):
    """`manage.py onboard` makes such an account."""
    user = User.objects.create_user("you@acme.example")
    team = create_team("Acme", user)
    if kind == "welcome":
        message = notifications.send_welcome_email(user, team)
    elif kind == "complete":
        message = complete(start(team), user, missing=GAPS)
    else:
        message = fail(team)[0]
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', message.html)]
    of_product = [link for link in links if "/account/emails/" not in link]
    assert of_product
    for link in of_product:
        address = urlsplit(link)
        answer = client.get(f"{address.path}?{address.query}", follow=True)
        assert b'name="password1"' in answer.content
    assert link_of(message).startswith("/accounts/password/reset/key/")


def test_sign_in_page_leads_to_a_first_password(client):
    content = client.get("/accounts/login/").content.decode()
    assert 'id="no-password"' in content
    assert 'href="/accounts/password/reset/"' in content


def test_member_with_an_address_from_before_keeps_no_one_from_the_email(owner):
    """Such a row can be there from a release that did not check addresses, or from an
    import.
    """
    team = create_team("Acme", owner)
    member = User.objects.create_user("member@acme.example")
    User.objects.filter(pk=member.pk).update(email="ops@mailhost")
    team.memberships.create(user=member, role="admin")
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    for recipient in notifications.recipients(run):
        notifications.send_sync_complete_email(run, recipient, TOTALS, [])
    states = dict(
        OutboxMessage.objects.filter(dedupe_key__endswith=":complete").values_list(
            "recipient", "state"
        )
    )
    assert states == {owner.email: "pending", "ops@mailhost": "failed"}
