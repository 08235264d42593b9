"""The frame of all pages: no markup that the policy forbids, and errors that say what
to do next.
"""

import re
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.template.loader import get_template
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import bad_request, permission_denied, server_error

from apps.onboarding.pipeline import SYNC
from apps.teams.models import Membership, Role, Team
from apps.users.models import User

ROOT = Path(__file__).parents[2]
TEMPLATES = [path for path in (ROOT / "templates").rglob("*.html") if "email" not in path.parts]


@pytest.fixture
def member(client, db):
    team = Team.objects.create(name="Acme", slug="acme")
    user = User.objects.create_user("ada@example.com")
    Membership.objects.create(team=team, user=user, role=Role.MEMBER)
    client.force_login(user)
    return user


def test_no_template_has_a_style_attribute_a_handler_or_a_script_without_nonce():
    assert len(TEMPLATES) > 30
    for path in TEMPLATES:
        text = path.read_text()
        assert not re.search(r"""\s(style|on[a-z]+)\s*=\s*["']""", text), path
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script or "nonce=" in script or "application/json" in script, path
        for style in re.findall(r"<style[^>]*>", text):
            assert "nonce=" in style, path


@pytest.mark.parametrize(
    "path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates"))
)
def test_every_template_compiles(path):
    get_template(str(path.relative_to(ROOT / "templates")))


def test_the_start_page_shows_an_example_and_calls_it_one(client, db):
    response = client.get(reverse("onboarding:landing"))
    assert "Example, made-up figures" in response.text
    assert '<svg class="chart lines"' in response.text
    assert SYNC.title in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert '<html lang="en">' in response.text


def test_the_start_page_of_a_member_leads_to_the_team(client, member):
    response = client.get(reverse("onboarding:landing"))
    assert "made-up" not in response.text
    assert "/t/acme/" in response.text
    assert 'data-state="not_started"' in response.text


def test_the_start_page_of_somebody_without_a_team_leads_to_making_one(client, db):
    client.force_login(User.objects.create_user("ada@example.com"))
    assert "Create a team" in client.get(reverse("onboarding:landing")).text


def test_the_menu_of_teams_marks_the_present_one_and_the_page(client, member):
    text = client.get(reverse("teams:members", args=["acme"])).text
    assert re.search(
        r'aria-current="true"\s*>\s*<span class="avatar team"[^>]*>A</span>\s*Acme', text
    )
    assert re.search(r'href="/t/acme/members/"\s+aria-current="page"', text)


def test_people_is_in_the_menu_of_every_page_of_the_team(client, member):
    text = client.get(reverse("teams:members", args=["acme"])).text
    assert re.search(r'<a\s+href="/t/acme/people/"\s*>', text)
    text = client.get(reverse("metrics:people", args=["acme"])).text
    assert re.findall(r'href="([^"]+)"\s+aria-current="page"', text) == ["/t/acme/people/"]


def test_what_is_not_there_or_not_ones_own_is_not_found(client, member):
    for address in ("/nothing/", "/t/others/members/"):
        response = client.get(address)
        assert response.status_code == 404
        assert "belongs to a team that you are not in" in response.text


def test_what_is_not_allowed_gives_its_reason(client, member):
    response = client.post(reverse("teams:invite", args=["acme"]), {"email": "bob@example.com"})
    assert response.status_code == 403
    assert "Only owners and admins of the team may do this." in response.text


def test_a_reason_is_text(rf, member):
    request = rf.get("/")
    request.user = member
    assert "&lt;b&gt;" in permission_denied(request, PermissionDenied("<b>")).text


def test_a_stale_form_says_what_to_do(db):
    response = Client(enforce_csrf_checks=True).post(
        reverse("account_login"), {"login": "a", "password": "b"}
    )
    assert response.status_code == 403
    assert "Go back, reload the page, and send it again." in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("view", "status", "says"),
    [
        (lambda request: bad_request(request, ValueError()), 400, "Request not understood"),
        (server_error, 500, "Something failed here"),
    ],
)
def test_when_nothing_can_be_relied_on_a_page_asks_for_nothing(view, status, says):
    # No database fixture: a query would fail here.
    response = view(RequestFactory().get("/"))
    assert response.status_code == status
    assert f"<h1>{says}</h1>" in response.text
