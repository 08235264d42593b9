"""Connect a team through a source's app: send the user to the source with a signed
state, and check on the way back that the same user comes.

The state names the team and the user. It is valid for an hour, and for one return in
the session that made it. An installation that comes without a state connects nothing: a
user who installs the app on the source's own page gets a message that names the page to
begin on.
"""

import secrets
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.integrations.connections import service
from apps.integrations.encryption import CredentialError
from apps.integrations.sources import base
from apps.integrations.sources.base import App, Source
from apps.integrations.sources.errors import SourceError
from apps.onboarding.forms import ConnectForm, InstalledQuery
from apps.onboarding.journey import see_other
from apps.onboarding.services import journey
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING, role_of
from apps.users.models import User

SALT = "github-app-installation"
LASTS = 3600
SESSION = "github_app"
BEGIN = "Start on the team's page “Connect”."


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def install(request: HttpRequest, team: Team) -> HttpResponse:
    """Send the user to the source to install its app."""
    source = base.find(ConnectForm(request.POST).values["source"]) or base.default()
    app = source.app
    if request.method != "POST" or app is None:
        return see_other("onboarding:connect", team)
    nonce = secrets.token_urlsafe(16)
    request.session[SESSION] = {"nonce": nonce}
    state = signing.dumps(
        {"team": team.pk, "user": cast(User, request.user).pk, "nonce": nonce}, salt=SALT
    )
    return HttpResponseRedirect(app.install_url(state), status=303)


@require_safe
@login_required
def installed(request: HttpRequest, source: str) -> HttpResponse:
    """Connect the installation with which the source sends the user back."""
    found = base.find(source)
    app = None if found is None else found.app
    team = _team(request)
    if team is None or found is None or app is None:
        messages.warning(
            request,
            f"This did not start on one of your pages, or more than an hour ago. {BEGIN}",
        )
        return HttpResponseRedirect(reverse("onboarding:home"))
    asked = InstalledQuery(request.GET).values
    if asked["setup_action"] == "request":
        messages.info(
            request,
            "An owner of the organization has to approve the app first. Come back when they have.",
        )
        return see_other("onboarding:connect", team)
    kept = request.session[SESSION]
    # After the second request to the source, for the code, the address has no
    # installation.
    number = asked["installation_id"] or kept.get("installation")
    if not isinstance(number, int):
        messages.error(request, f"{found.name} did not name the installation. {BEGIN}")
        return see_other("onboarding:connect", team)
    if not asked["code"]:
        # GitHub asks for the user's identity during the installation only if the app is
        # configured so.
        request.session[SESSION] = {**kept, "installation": number}
        return HttpResponseRedirect(app.authorize_url(asked["state"]))
    # A state is valid for one return.
    del request.session[SESSION]
    return _connect(request, team, found, app, asked["code"], number)


def _team(request: HttpRequest) -> Team | None:
    """Return the team of the state; None if the state is invalid.

    The state must belong to this user and this session, and the user must still manage
    the team.
    """
    try:
        state = signing.loads(
            InstalledQuery(request.GET).values["state"], salt=SALT, max_age=LASTS
        )
    except signing.BadSignature:
        return None
    user, kept = cast(User, request.user), request.session.get(SESSION) or {}
    if state["user"] != user.pk or not secrets.compare_digest(
        state["nonce"], kept.get("nonce", "")
    ):
        return None
    team = Team.objects.filter(pk=state["team"]).first()
    return team if team is not None and role_of(user, team) in MANAGING else None


def _connect(
    request: HttpRequest, team: Team, source: Source, app: App, code: str, number: int
) -> HttpResponse:
    try:
        installation = app.installation(code, number)
        connection = journey.connect(
            team, cast(User, request.user), source.key, installation=installation
        )
        service.refresh(connection)
    except (SourceError, CredentialError) as error:
        messages.error(request, str(error))
        return see_other("onboarding:connect", team)
    messages.success(
        request, f"{source.name} is connected through the app, for {installation.login}."
    )
    return see_other("onboarding:choose", team)
