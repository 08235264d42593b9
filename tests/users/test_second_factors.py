"""Second factors are encrypted at rest and asked for at every sign-in."""

import importlib

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import call_command
from django.test import Client

from apps.users.mfa import UnreadableSecret, decrypt, encrypt
from apps.users.models import User

PASSWORD = "Correct-Horse-9-Battery"


@pytest.fixture
def ada(db):
    user = User.objects.create_user("ada@example.com", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


def code_of(secret):
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def test_secrets_are_encrypted_at_rest(ada):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(ada, secret)
    codes = RecoveryCodes.activate(ada)
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert codes.generate_codes()[0] not in stored
    assert stored.count("fernet:") == 2


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/login/?next=/admin/"])
def test_sign_in_asks_for_the_second_factor(ada, path):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(ada, secret)
    client = Client()
    client.post(path, {"login": ada.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert "_auth_user_id" not in client.session
    client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_factor_from_an_earlier_release_is_readable_and_then_encrypted(ada):
    secret = totp.generate_totp_secret()
    factor = Authenticator.objects.create(
        user=ada, type=Authenticator.Type.TOTP, data={"secret": secret}
    )
    assert totp.TOTP(factor).validate_code(code_of(secret))
    migration = importlib.import_module("apps.users.migrations.0005_encrypt_second_factors")
    migration.encrypt_all(apps, None)
    factor.refresh_from_db()
    assert secret not in str(factor.data)
    assert decrypt(factor.data["secret"]) == secret


def test_rotation_replaces_the_older_key(ada, settings):
    secret = totp.generate_totp_secret()
    factor = totp.TOTP.activate(ada, secret).instance
    new = Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, *settings.CREDENTIAL_KEYS]
    call_command("rotate_credentials", verbosity=0)
    settings.CREDENTIAL_KEYS = [new]
    factor.refresh_from_db()
    assert decrypt(factor.data["secret"]) == secret


def test_unknown_key_is_an_error(settings):
    stored = encrypt("text")
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(UnreadableSecret):
        decrypt(stored)
