"""A link signs its person in once, within an hour, while DEBUG is on."""

from datetime import timedelta
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from apps.users import sign_in_links
from apps.users.models import User
from apps.users.sign_in_links import LinkRefused, make_link, redeem

NEXT = "/t/acme/onboarding/"


@pytest.fixture(autouse=True)
def _development(settings):
    settings.DEBUG = True


@pytest.fixture
def ada(db):
    return User.objects.create_user("ada@example.com")


def command(*args):
    out = StringIO()
    call_command("sign_in_link", *args, stdout=out)
    return out.getvalue().strip()


def test_a_printed_link_signs_in_once_and_goes_on(client, ada):
    link = command("Ada@example.com", "--next", NEXT)
    response = client.get(link)
    assert (response.status_code, response.url) == (302, NEXT)
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert client.get(link).url == NEXT  # the person themselves may open it again


def test_a_used_link_leads_to_the_log_in_page_with_words(client, ada):
    link = make_link(ada, NEXT)
    client.get(link)
    client.logout()
    response = client.get(link, follow=True)
    assert response.redirect_chain == [
        (f"{reverse('account_login')}?next=%2Ft%2Facme%2Fonboarding%2F", 302)
    ]
    assert "already used" in response.text
    assert "_auth_user_id" not in client.session


def test_a_used_link_does_not_serve_another_person(client, ada):
    link = make_link(ada)
    client.get(link)
    client.force_login(User.objects.create_user("bob@example.com"))
    assert reverse("account_login") in client.get(link).url


def test_any_sign_in_uses_it_up(client, ada):
    link = make_link(ada)
    client.force_login(ada)
    client.logout()
    assert reverse("account_login") in client.get(link).url


def test_it_grows_old(client, ada, monkeypatch):
    link = make_link(ada)
    monkeypatch.setattr(sign_in_links, "MAX_AGE", timedelta(0))
    assert reverse("account_login") in client.get(link).url


def test_an_altered_one_and_one_for_a_closed_account_are_refused(client, ada):
    link = make_link(ada)
    assert (
        reverse("account_login")
        in client.get(link[:-1] + ("A" if link[-2] != "A" else "B") + "/").url
    )
    User.objects.update(is_active=False)
    assert reverse("account_login") in client.get(link).url


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"],
)
def test_it_goes_to_no_other_site(client, ada, address):
    with pytest.raises(ValueError, match="no path of this site"):
        make_link(ada, address)
    assert client.get(make_link(ada), {"next": address}).url == reverse("onboarding:home")


def test_of_two_who_open_it_at_once_one_is_signed_in(ada):
    token = urlsplit(make_link(ada)).path.split("/")[2]
    others = []

    def let_another_go_first(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not others:
            others.append("on its way")
            others.append(redeem(token))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(let_another_go_first), pytest.raises(LinkRefused):
        redeem(token)
    assert others[1:] == [ada]


def test_with_debug_off_there_are_none(client, ada, settings):
    link = make_link(ada)
    settings.DEBUG = False
    assert client.get(link).status_code == 404
    with pytest.raises(CommandError, match="only in development"):
        command("ada@example.com")


def test_the_command_says_what_is_wrong(ada):
    with pytest.raises(CommandError, match="no active account"):
        command("bob@example.com")
    with pytest.raises(CommandError, match="no path of this site"):
        command("ada@example.com", "--next", "https://evil.example/")
