"""Two teams with rows of every kind, and sessions of the people who send requests."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from apps.integrations.models import Webhook
from apps.metrics.api import tokens
from apps.metrics.factories import PullRequestFactory, RepositoryFactory, TeamMemberFactory
from apps.metrics.models import Insight
from apps.pipelines import engine
from apps.teams.invitations import invite
from apps.teams.models import Membership, Team
from apps.teams.services import create_team
from apps.users.models import User
from tests.project.addresses import values

PULL_REQUESTS = 60
PEOPLE = ("owner", "admin", "member", "outsider", "superuser", "anonymous")
OPERATOR = "ops@fuzz.example"


def address_of(person):
    team = "beta" if person == "outsider" else "alpha"
    return f"{person}@{team}.example"


def build():
    """Make the teams once; return what the arguments of addresses are in team alpha."""
    owner = User.objects.create_user(address_of("owner"))
    team = create_team("Alpha", owner)
    create_team("Beta", User.objects.create_user(address_of("outsider")))
    User.objects.create_superuser(address_of("superuser"), "Correct-Horse-9-Battery")
    repository = RepositoryFactory(team=team)
    member = TeamMemberFactory(team=team)
    began = datetime.now(UTC) - timedelta(days=PULL_REQUESTS)
    for day in range(PULL_REQUESTS):
        pull = PullRequestFactory(
            repository=repository, author=member, created_at=began + timedelta(days=day)
        )
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    invitation = invite(team, owner, "new@alpha.example", "member")
    hook = Webhook.objects.for_team(team).first()
    _, token = tokens.make(team, "Fuzz", owner)
    known = values(
        SimpleNamespace(
            team=team, owner=owner, run=run, member=member, pull=pull, invitation=invitation
        )
    )
    if hook:
        known["integrations:webhook:key"] = hook.key
    repair()
    insights = Insight.objects.for_team(team).values_list("pk", flat=True)[:3]
    words = [
        pull.pk,
        member.pk,
        repository.pk,
        repository.full_name,
        run.pk,
        owner.pk,
        *insights,
    ]
    return known, [str(word) for word in words], token


def repair():
    """Bring back people and roles that random requests have removed."""
    team = Team.objects.filter(slug="alpha").first()
    for person in PEOPLE[:-1]:
        user = User.objects.filter(
            email=address_of(person)
        ).first() or User.objects.create_user(address_of(person))
        is_root = person == "superuser"
        User.objects.filter(pk=user.pk).update(
            is_active=True, is_staff=is_root, is_superuser=is_root
        )
        if team and person in ("owner", "admin", "member"):
            Membership.objects.update_or_create(team=team, user=user, defaults={"role": person})


def session_of(person):
    """The key of a new session of a person."""
    user = User.objects.get(email=address_of(person))
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key
