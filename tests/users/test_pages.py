"""The pages of accounts: allauth's, in the frame and the looks of the product."""

import re

import pytest
from django.urls import reverse

from apps.mail.models import OutboxMessage
from apps.users.models import User

ENTRANCE = [
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_reset_password_done",
]
OWN = [
    "account_email",
    "account_change_password",
    "account_logout",
    "account_reauthenticate",
    "socialaccount_connections",
    "mfa_index",
    "mfa_list_webauthn",
]


@pytest.fixture
def ada(client, db):
    user = User.objects.create_user("ada.lovelace@example.com", "correct horse battery")
    user.emailaddress_set.create(email=user.email, primary=True, verified=True)
    client.force_login(user)
    return user


def assert_in_frame(response):
    """A page of ours: a title, one heading, the way past the header, and nothing that
    the policy would stop.
    """
    assert response.status_code == 200
    assert re.search(r"<title>\s*\S.+ · Firstlight</title>", response.text, re.DOTALL)
    assert len(re.findall(r"<h1[ >]", response.text)) == 1
    assert 'href="#main"' in response.text
    assert not re.search(r"""\s(style|on[a-z]+)\s*=\s*["']""", response.text)
    assert not re.search(r"<script(?![^>]*(src=|type=\"application/json\"))", response.text)
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ENTRANCE)
def test_a_visitor_can_see_it(client, db, name):
    response = client.get(reverse(name))
    assert_in_frame(response)
    assert "Sign up" in response.text


@pytest.mark.parametrize("target", ["http://[::1", "//[", "http://a]b/"])
@pytest.mark.parametrize(
    "path", ["login/", "signup/", "password/reset/", "password/reset/key/1-key/"]
)
def test_page_with_a_malformed_target_is_shown(client, db, path, target):
    assert client.get(f"/accounts/{path}", {"next": target}).status_code == 200


def test_sign_in_ignores_a_malformed_target(client, ada):
    client.logout()
    data = {"login": ada.email, "password": "correct horse battery", "next": "http://[::1"}
    response = client.post("/accounts/login/", data)
    assert (response.status_code, response["Location"]) == (302, reverse("onboarding:home"))


@pytest.mark.parametrize("name", OWN)
def test_whoever_is_signed_in_can_see_it(client, ada, name):
    response = client.get(reverse(name))
    assert_in_frame(response)
    assert ada.email in response.text, "the menu says whose account it is"


ACCOUNT_PAGES = [*OWN, "mfa_activate_totp", "mfa_add_webauthn", "teams:email_preferences"]


@pytest.mark.parametrize("name", ACCOUNT_PAGES)
def test_account_page_is_in_sentence_case(client, ada, name):
    """allauth writes "Two-Factor Authentication"; our pages capitalize the first word
    only.
    """
    client.post(reverse("account_reauthenticate"), {"password": "correct horse battery"})
    page = client.get(reverse(name)).text
    main = page[page.index("<main") : page.index("</main>")]
    texts = re.findall(r"<(h1|h2|label|button)\b[^>]*>([^<]+)<", main)
    texts += re.findall(r"<(title)>([^·]+) ·", page)
    assert texts
    for _, text in texts:
        later = text.split()[1:]
        assert not [word for word in later if word.istitle()], text


@pytest.mark.parametrize(
    "name", ["account_email", "account_change_password", "mfa_index", "teams:email_preferences"]
)
def test_account_pages_lead_to_each_other(client, ada, name):
    page = client.get(reverse(name)).text
    [tabs] = re.findall(r"<nav class=.segments.*?</nav>", page, re.DOTALL)
    addresses = [
        reverse(each) for each in ("account_email", "teams:email_preferences", "mfa_index")
    ]
    assert all(f'href="{address}"' in tabs for address in addresses)
    [current] = re.findall(r'href="([^"]+)"\s+aria-current="page"', tabs)
    assert current == reverse(name)


def test_reached_limit_is_a_page_of_ours(client, ada, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"reset_password": "1/m/ip"}
    for _ in range(2):
        response = client.post(reverse("account_reset_password"), {"email": "eve@example.com"})
    assert response.status_code == 429
    response.status_code = 200
    assert_in_frame(response)


@pytest.mark.parametrize(
    "name", ["mfa_activate_totp", "mfa_add_webauthn", "mfa_generate_recovery_codes"]
)
def test_what_protects_an_account_asks_for_the_password_first(client, ada, name):
    response = client.get(reverse(name), follow=True)
    assert_in_frame(response)
    assert "Confirm that it is you" in response.text


def test_the_secret_of_a_second_factor_is_drawn_as_data(client, ada):
    client.post(reverse("account_reauthenticate"), {"password": "correct horse battery"})
    response = client.get(reverse("mfa_activate_totp"))
    assert_in_frame(response)
    assert '<img class="qr" src="data:image/svg+xml' in response.text
    assert "img-src 'self' data:" in response.headers["Content-Security-Policy"]


def test_what_is_wrong_stands_at_its_field_and_is_named_by_it(client, db):
    response = client.post(
        reverse("account_signup"), {"email": "no address", "password1": "x", "password2": "x"}
    )
    field = re.search(r'<input type="email"[^>]*>', response.text).group()
    assert 'aria-invalid="true"' in field
    named = re.search(r'aria-describedby="([^"]+)"', field).group(1)
    assert f'id="{named}"' in response.text


def test_github_is_offered_only_where_its_app_is_set_up(client, db, settings):
    assert "GitHub</button>" not in client.get(reverse("account_login")).text
    settings.SOCIALACCOUNT_PROVIDERS = {
        "github": {"APPS": [{"client_id": "a", "secret": "b", "key": ""}]}
    }
    assert re.search(
        r"Continue with GitHub\s*</button>", client.get(reverse("account_login")).text
    )
    response = client.post(reverse("github_login"))
    assert response.headers["Location"].startswith("https://github.com/login/oauth/authorize")


@pytest.mark.parametrize(
    ("fields", "initials"),
    [
        ({"email": "mara.lindqvist@example.com"}, "ML"),
        ({"email": "ada@example.com"}, "A"),
        ({"email": "x@example.com", "first_name": "Mara", "last_name": "van der Lind"}, "ML"),
        ({"email": "_@example.com"}, ""),
    ],
)
def test_initials(fields, initials):
    assert User(**fields).initials == initials


def test_mails_about_accounts_have_the_frame_and_the_link_in_both_parts(client, ada):
    OutboxMessage.objects.all().delete()
    client.post(reverse("account_reset_password"), {"email": ada.email})
    message = OutboxMessage.objects.get(recipient=ada.email)
    link = re.search(r"http\S+/password/reset/key/\S+", message.text).group()
    assert message.subject == "Set a new password"
    assert f'href="{link}"' in message.html
    assert "<img" not in message.html
