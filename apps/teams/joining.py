"""Joining a team by the domain of one's confirmed address, with the approval of an
admin.

An owner opens a team to a domain at which the owner has a confirmed address, for
example `example.com`. A person with a confirmed address there sees the team and may ask
to join; an owner or admin approves or declines. To everyone else the team does not
exist.
"""

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from apps.mail.letters import queue_letter
from apps.mail.links import without_links
from apps.teams.emails import EmailKind, stop_link_of
from apps.teams.join_models import JoinDomain, JoinRequest, JoinState
from apps.teams.members import NotPossible
from apps.teams.models import Membership, Role, Team
from apps.teams.public_domains import PUBLIC_DOMAINS
from apps.teams.scoping import TeamQuerySet
from apps.teams.services import MANAGING, recipients_of, role_of
from apps.users.models import User
from apps.users.sign_up import domain_of

# How long a declined person can't ask the same team again, and the most teams that a
# person may ask in a day.
PAUSE = timedelta(days=30)
DAY = timedelta(days=1)
PERSON_LIMIT = 10
MAX_DOMAINS = 20

OWNERS_ONLY = "Only an owner of the team can open it to a domain."
GONE = "This request was already answered."


def confirmed_addresses(user: User) -> dict[str, str]:
    """Return the user's confirmed addresses by their domain, without public email
    providers.
    """
    rows = EmailAddress.objects.filter(user=user, user__is_active=True, verified=True).order_by(
        "-primary", "pk"
    )
    found: dict[str, str] = {}
    for email in rows.values_list("email", flat=True):
        domain = domain_of(email)
        if domain and domain not in PUBLIC_DOMAINS:
            # The primary address comes first.
            found.setdefault(domain, email)
    return found


def domains_of(team: Team) -> TeamQuerySet[JoinDomain]:
    """Return the domains that the team is open to."""
    return JoinDomain.objects.for_team(team).order_by("domain")


def addable_domains(team: Team, user: User) -> list[str]:
    """Return the domains to which the user could open the team."""
    present = set(domains_of(team).values_list("domain", flat=True))
    return sorted(set(confirmed_addresses(user)) - present)


def add_domain(team: Team, by: User, domain: str) -> JoinDomain:
    """Open the team to a domain. Raises NotPossible."""
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        if role_of(by, team) != Role.OWNER:
            raise NotPossible(OWNERS_ONLY)
        if domain not in confirmed_addresses(by):
            raise NotPossible(
                "You can open the team only to domains at which you have a confirmed address, and not to public "
                "email providers."
            )
        if domains_of(team).count() >= MAX_DOMAINS:
            raise NotPossible(f"A team can be open to {MAX_DOMAINS} domains. Remove one first.")
        added, _ = JoinDomain.objects.across_teams().get_or_create(
            team=team, domain=domain, defaults={"added_by": by}
        )
    return added


def remove_domain(team: Team, by: User, domain_id: int) -> str:
    """Close the team to a domain and return it. Raises NotPossible."""
    if role_of(by, team) != Role.OWNER:
        raise NotPossible(OWNERS_ONLY)
    row = domains_of(team).filter(pk=domain_id).first()
    if row is None:
        raise NotPossible("The team is no longer open to this domain.")
    domains_of(team).filter(pk=domain_id).delete()
    return row.domain


def joinable_teams(user: User) -> list[tuple[Team, JoinRequest | None]]:
    """Return the teams that the user may ask to join, each with the user's last
    request.
    """
    domains = list(confirmed_addresses(user))
    if not domains:
        return []
    open_to = JoinDomain.objects.across_teams().filter(domain__in=domains).values("team_id")
    teams = (
        Team.objects.filter(pk__in=open_to)
        .exclude(memberships__user=user)
        .order_by("name", "pk")
    )
    requests = (
        JoinRequest.objects.across_teams()
        .filter(user=user, team__in=teams)
        .order_by("created_at", "pk")
    )
    last = {request.team_id: request for request in requests}
    return [(team, last.get(team.pk)) for team in teams]


def find_team(user: User, team_id: int) -> Team | None:
    """Return the team if the user may know of it: as a member, or by a confirmed
    address.
    """
    known = Team.objects.of(user).filter(pk=team_id).first()
    if known is not None:
        return known
    return next((team for team, _ in joinable_teams(user) if team.pk == team_id), None)


def ask(team: Team, user: User) -> JoinRequest:
    """Ask to join; a second time returns the open request. Raises NotPossible."""
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        if role_of(user, team) is not None:
            raise NotPossible(f"You are already a member of {team.name}.")
        email = _entitling_address(team, user)
        if email is None:
            raise NotPossible("You need a confirmed address at one of the team's domains.")
        now = timezone.now()
        own = JoinRequest.objects.across_teams().filter(user=user)
        earlier = own.filter(team=team)
        open_request = earlier.filter(state=JoinState.OPEN).first()
        if open_request is not None:
            return open_request
        if earlier.filter(created_at__gt=now - PAUSE).exists():
            raise NotPossible(
                f"{team.name} has already answered your request. You can ask again after "
                f"{PAUSE.days} days."
            )
        if own.filter(created_at__gt=now - DAY).count() >= PERSON_LIMIT:
            raise NotPossible(
                f"You can ask up to {PERSON_LIMIT} teams per day. Try again tomorrow."
            )
        request = JoinRequest.objects.create(team=team, user=user, email=email, created_at=now)
        _tell_managers(request, team)
    return request


def open_requests(team: Team) -> QuerySet[JoinRequest]:
    """Return the requests that wait for an answer, the oldest first."""
    waiting = JoinRequest.objects.for_team(team).filter(
        state=JoinState.OPEN, user__is_active=True
    )
    return waiting.select_related("user").order_by("created_at", "pk")


def approve(team: Team, by: User, request_id: int) -> JoinRequest:
    """Make the person a member. Raises NotPossible."""
    with transaction.atomic():
        request = _locked(team, by, request_id)
        # The address or the domain may have been removed since the person asked.
        if _entitling_address(team, request.user) is None:
            raise NotPossible(
                f"{request.email} is no longer a confirmed address at one of the team's domains."
            )
        _decide(request, by, JoinState.APPROVED)
        Membership.objects.get_or_create(
            team=team, user=request.user, defaults={"role": Role.MEMBER}
        )
        _tell_person(request, team)
    return request


def decline(team: Team, by: User, request_id: int) -> JoinRequest:
    """Decline the request. Raises NotPossible."""
    with transaction.atomic():
        request = _locked(team, by, request_id)
        _decide(request, by, JoinState.DECLINED)
    return request


def _entitling_address(team: Team, user: User) -> str | None:
    addresses = confirmed_addresses(user)
    for domain in domains_of(team).values_list("domain", flat=True):
        if domain in addresses:
            return addresses[domain]
    return None


def _locked(team: Team, by: User, request_id: int) -> JoinRequest:
    Team.objects.select_for_update().get(pk=team.pk)
    if role_of(by, team) not in MANAGING:
        raise NotPossible("Only owners and admins of the team can answer requests.")
    request = open_requests(team).filter(pk=request_id).first()
    if request is None:
        raise NotPossible(GONE)
    return request


def _decide(request: JoinRequest, by: User, state: JoinState) -> None:
    request.state, request.decided_by, request.decided_at = state, by, timezone.now()
    request.save(update_fields=["state", "decided_by", "decided_at"])


def _tell_managers(request: JoinRequest, team: Team) -> None:
    team_name = without_links(team.name)
    link = settings.SITE_URL + reverse("teams:members", args=[team.slug])
    for manager in recipients_of(team, EmailKind.JOIN_REQUESTS):
        queue_letter(
            "teams/email/join_request",
            dedupe_key=f"join-request:{request.pk}",
            recipient=manager.email,
            subject=f"{request.email} asks to join {team_name}",
            context={
                "request": request,
                "recipient": manager,
                "team": {"name": team_name},
                "link": link,
                "reference": f"join request {request.pk}",
            },
            stop=stop_link_of(manager, team, EmailKind.JOIN_REQUESTS),
        )


def _tell_person(request: JoinRequest, team: Team) -> None:
    team_name = without_links(team.name)
    queue_letter(
        "teams/email/join_approved",
        dedupe_key=f"join-approved:{request.pk}",
        recipient=request.email,
        subject=f"You are a member of {team_name}",
        context={
            "request": request,
            "team": {"name": team_name},
            "link": settings.SITE_URL + reverse("onboarding:home"),
            "reference": f"join request {request.pk}",
        },
    )
