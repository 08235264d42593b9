"""Accounts that were signed up and never confirmed end after 30 days; no other account
does.
"""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from apps.teams.models import Membership, Role
from apps.teams.services import create_team
from apps.users.models import User
from apps.users.proof import prove
from apps.users.retention import UNCONFIRMED_KEPT
from apps.users.tasks import clear_sessions, delete_unconfirmed

PASSWORD = "Correct-Horse-9-Battery"
OLD = UNCONFIRMED_KEPT + timedelta(minutes=1)


def age(time=OLD):
    """Move every account into the past."""
    moment = timezone.now() - time
    User.objects.exclude(signed_up_at=None).update(signed_up_at=moment)
    User.objects.update(date_joined=moment)


@pytest.fixture
def user(client, db):
    """A person who signed up and did not confirm."""
    data = {"email": "new@corp.example", "password1": PASSWORD, "password2": PASSWORD}
    client.post("/accounts/signup/", data)
    return User.objects.get()


def is_left(user):
    delete_unconfirmed.call_local()
    return User.objects.filter(pk=user.pk).exists()


def test_old_unconfirmed_sign_up_is_deleted_and_can_sign_up_again(user):
    age()
    assert not is_left(user)
    assert not EmailAddress.objects.exists()
    data = {"email": "new@corp.example", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/accounts/signup/", data)
    assert User.objects.get().email == "new@corp.example"


def test_unconfirmed_sign_up_stays_for_30_days(user):
    age(UNCONFIRMED_KEPT - timedelta(minutes=1))
    assert is_left(user)


def test_confirmed_account_stays(user):
    prove(user, trusts_past=True)
    age()
    assert is_left(user)


def test_account_with_another_confirmed_address_stays(user):
    EmailAddress.objects.create(user=user, email="second@corp.example", verified=True)
    age()
    assert is_left(user)


def test_member_of_a_team_stays(user):
    team = create_team("Acme", User.objects.create_user("owner@acme.example"))
    Membership.objects.create(team=team, user=user, role=Role.MEMBER)
    age()
    assert is_left(user)


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_staff_stays(user, right):
    User.objects.update(**{right: True})
    age()
    assert is_left(user)


def test_account_of_the_operator_stays_after_an_unfinished_sign_in(client, db):
    user = User.objects.create_user("made@corp.example", PASSWORD)
    client.post("/accounts/login/", {"login": "made@corp.example", "password": PASSWORD})
    assert EmailAddress.objects.get(user=user).verified is False
    EmailAddress.objects.update(primary=True)
    age()
    assert is_left(user)


def test_task_runs_once_a_day(db):
    task = next(
        task
        for task in HUEY._registry.periodic_tasks
        if task.name == "users_delete_unconfirmed"
    )
    day = timezone.now().replace(hour=0, minute=0)
    minutes = [
        minute
        for minute in range(24 * 60)
        if task.validate_datetime(day + timedelta(minutes=minute))
    ]
    assert len(minutes) == 1


@pytest.mark.django_db
def test_expired_sessions_are_deleted_once_a_day():
    for days in (-1, 1):
        store = SessionStore()
        store["of"] = "a person"
        store.set_expiry(timezone.now() + timedelta(days=days))
        store.save()
    clear_sessions.call_local()
    assert Session.objects.count() == 1
    assert Session.objects.get().expire_date > timezone.now()
    assert any(task.name == "users_clear_sessions" for task in HUEY._registry.periodic_tasks)
