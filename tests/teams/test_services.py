"""Teams get slugs of their own, also in a race; roles say who may do what."""

import threading

import pytest
from django.db import IntegrityError, connection
from django.db.models.signals import pre_save

from apps.teams.models import Membership, OnboardingStatus, Role, Team
from apps.teams.services import can_manage, can_watch, create_team, recipients_of, role_of
from apps.users.models import User


def person(name, **fields):
    return User.objects.create_user(f"{name}@example.com", **fields)


def join(team, name, role, **fields):
    user = person(name, **fields)
    Membership.objects.create(team=team, user=user, role=role)
    return user


@pytest.fixture
def owner(db):
    return person("owner")


@pytest.fixture
def team(owner):
    return create_team("Acme & Söhne", owner)


def test_a_team_starts_with_its_owner_and_no_run(team, owner):
    assert team.slug == "acme-sohne"
    assert team.onboarding_pipeline_status == OnboardingStatus.NOT_STARTED
    assert role_of(owner, team) == Role.OWNER


@pytest.mark.parametrize("name", ["Acme", "日本", "!", "x" * 120])
def test_teams_of_one_name_have_different_slugs(owner, name):
    slugs = {create_team(name, owner).slug for _ in range(5)}
    assert len(slugs) == 5
    assert all(0 < len(slug) <= 80 for slug in slugs)


def test_a_failure_that_is_no_race_comes_out(db):
    nobody = User(pk=None, email="nobody@example.com")
    with pytest.raises(ValueError):
        create_team("Acme", nobody)
    assert not Team.objects.exists()


@pytest.mark.parametrize("rivals", [1, 3])
def test_a_slug_taken_after_it_was_found_free_is_replaced(owner, rivals):
    """On PostgreSQL another request can commit in between; here a rival's row appears
    just before ours.
    """
    left = [rivals]

    def rival(instance, **kwargs):
        if left[0] and not instance.pk and instance.name == "Acme":
            left[0] -= 1
            Team.objects.bulk_create([Team(name="Rival", slug=instance.slug)])

    pre_save.connect(rival, sender=Team)
    try:
        team = create_team("Acme", owner)
    finally:
        pre_save.disconnect(rival, sender=Team)
    assert role_of(owner, team) == Role.OWNER
    assert Team.objects.filter(slug=team.slug).get() == team


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_get_two_slugs():
    owner = person("owner")
    start = threading.Barrier(4)
    errors = []

    def create():
        try:
            start.wait()
            create_team("Acme", owner)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(Team.objects.values_list("slug", flat=True))) == 4


@pytest.mark.parametrize(
    ("role", "manages", "watches"),
    [(Role.OWNER, True, True), (Role.ADMIN, True, True), (Role.MEMBER, False, True)],
)
def test_roles_bound_what_one_may_do(team, role, manages, watches):
    user = join(team, "x", role)
    assert (can_manage(user, team), can_watch(user, team)) == (manages, watches)


def test_outsiders_and_inactive_accounts_may_nothing(team, owner):
    outsider = join(create_team("Other", owner), "outsider", Role.OWNER)
    gone = join(team, "gone", Role.OWNER, is_active=False)
    for user in (outsider, gone):
        assert role_of(user, team) is None
        assert not can_manage(user, team)
        assert not can_watch(user, team)


def test_one_person_may_have_several_teams_and_one_role_in_each(team, owner):
    other = create_team("Other", owner)
    assert set(Team.objects.of(owner)) == {team, other}
    with pytest.raises(IntegrityError):
        Membership.objects.create(team=team, user=owner, role=Role.MEMBER)


def test_mails_go_to_owners_and_admins(team, owner):
    admin = join(team, "admin", Role.ADMIN)
    join(team, "member", Role.MEMBER)
    join(team, "gone", Role.ADMIN, is_active=False)
    assert list(recipients_of(team)) == [admin, owner]
