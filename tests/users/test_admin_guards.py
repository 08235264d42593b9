"""The admin keeps every team an owner, and can repair a team that has none."""

import pytest
from django.db import transaction
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse

from apps.teams.models import Membership, Role
from apps.teams.services import create_team
from apps.users.models import User


@pytest.fixture
def owner(db):
    return User.objects.create_user("owner@acme.example")


@pytest.fixture
def acme(owner):
    team = create_team("Acme", owner)
    Membership.objects.create(
        team=team, user=User.objects.create_user("m@acme.example"), role=Role.MEMBER
    )
    return team


def has_owner(team):
    return Membership.objects.filter(team=team, role=Role.OWNER, user__is_active=True).exists()


def fields_of(user, **changed):
    fields = {
        "email": user.email,
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
        "is_active": "on",
    } | changed
    return {name: value for name, value in fields.items() if value is not None}


def test_deleting_the_only_owner_is_refused(acme, owner, admin_client):
    path = reverse("admin:users_user_delete", args=[owner.pk])
    assert "only owner of Acme" in admin_client.get(path).text
    admin_client.post(path, {"post": "yes"})
    assert has_owner(acme)


def test_bulk_deletion_of_the_only_owner_is_refused(acme, owner, admin_client):
    data = {"action": "delete_selected", "_selected_action": [owner.pk], "post": "yes"}
    admin_client.post(reverse("admin:users_user_changelist"), data)
    assert has_owner(acme)


def test_deactivating_the_only_owner_is_refused(acme, owner, admin_client):
    path = reverse("admin:users_user_change", args=[owner.pk])
    assert admin_client.post(path, fields_of(owner, is_active=None)).status_code == 200
    assert has_owner(acme)


def test_code_cannot_delete_the_only_owner(acme, owner):
    with pytest.raises(ProtectedError), transaction.atomic():
        owner.delete()
    assert has_owner(acme)


def test_one_of_two_owners_can_go(acme, owner, admin_client):
    Membership.objects.filter(team=acme).update(role=Role.OWNER)
    admin_client.post(reverse("admin:users_user_delete", args=[owner.pk]), {"post": "yes"})
    assert not User.objects.filter(pk=owner.pk).exists()
    assert has_owner(acme)


def inline(team, rows, added=None):
    """The fields of the team's page in the admin, with a (role, delete) for each
    membership.
    """
    data = {"name": team.name, "slug": team.slug, "time_zone": "UTC", "digest": "on"}
    prefix = "memberships"
    for index, (membership, role, delete) in enumerate(rows):
        data |= {
            f"{prefix}-{index}-id": membership.pk,
            f"{prefix}-{index}-team": team.pk,
            f"{prefix}-{index}-user": membership.user_id,
            f"{prefix}-{index}-role": role,
        }
        if delete:
            data[f"{prefix}-{index}-DELETE"] = "on"
    total = len(rows)
    if added:
        data |= {
            f"{prefix}-{total}-team": team.pk,
            f"{prefix}-{total}-user": added.pk,
            f"{prefix}-{total}-role": Role.OWNER,
        }
        total += 1
    return data | {f"{prefix}-TOTAL_FORMS": total, f"{prefix}-INITIAL_FORMS": len(rows)}


@pytest.mark.parametrize(("role", "delete"), [(Role.ADMIN, False), (Role.OWNER, True)])
def test_membership_of_the_only_owner_stays(acme, owner, admin_client, role, delete):
    membership = Membership.objects.get(team=acme, user=owner)
    path = reverse("admin:teams_team_change", args=[acme.pk])
    assert (
        admin_client.post(path, inline(acme, [(membership, role, delete)])).status_code == 200
    )
    assert has_owner(acme)


def test_staff_gives_a_team_without_owner_a_new_one(acme, owner, admin_client):
    Membership.objects.filter(team=acme, user=owner).delete()
    member = Membership.objects.get(team=acme)
    fresh = User.objects.create_user("new@acme.example")
    path = reverse("admin:teams_team_change", args=[acme.pk])
    response = admin_client.post(path, inline(acme, [(member, Role.MEMBER, False)], fresh))
    assert response.status_code == 302, response.context["errors"]
    assert has_owner(acme)


def test_admin_sign_in_goes_through_the_guarded_page(db):
    User.objects.create_superuser("root@example.com", "Correct-Horse-9-Battery")
    client = Client()
    data = {"username": "root@example.com", "password": "Correct-Horse-9-Battery"}
    response = client.post("/admin/login/?next=/admin/", data)
    assert response["Location"] == "/accounts/login/?next=%2Fadmin%2F"
    assert "_auth_user_id" not in client.session
