"""The pages between a new team and its run: connect a source, choose repositories, start.

Sources are asked before anything is stored, never inside a transaction. Every POST ends in a redirect (303); HTMX gets
fragments of the same templates.
"""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from apps.integrations import connections, webhooks
from apps.integrations.credentials import CredentialError
from apps.integrations.git.errors import GitError
from apps.integrations.github import app
from apps.integrations.github.errors import GitHubError
from apps.integrations.github.probe import TOKEN_SETTINGS
from apps.integrations.models import Connection, ConnectionSource, TrackedRepository, Webhook
from apps.integrations.services import InvalidName
from apps.onboarding import tasks
from apps.onboarding.services import choice, journey
from apps.onboarding.services.choice import Page, State
from apps.onboarding.services.trouble import Trouble
from apps.pipelines.exceptions import NotAllowed
from apps.teams.access import TeamRequest, team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING, recipients_of
from apps.users.models import User

TOKEN_LEFT = " Its token is deleted here; only you can revoke it at GitHub, in your developer settings."  # noqa: S105
ASKING = (GitHubError, GitError, CredentialError, connections.CannotConnect)


class Request(TeamRequest):
    """A request of a team's page, as the HTMX middleware leaves it."""

    htmx: HtmxDetails


def see_other(name: str, team: Team, **rest: object) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(name, kwargs={"slug": team.slug, **rest}), status=303)


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Where signing in leads to: a team's page; making a team, for those who have none."""
    team = Team.objects.of(request.user).order_by("memberships__created_at", "pk").first()
    if team is None:
        return HttpResponseRedirect(reverse("teams:create"))
    return see_other("onboarding:setup", team)


@require_safe
@team_view()
def setup(request: HttpRequest, team: Team) -> HttpResponse:
    """Lead to where the team left off. Members watch; what they cannot do is shown to them as somebody else's to do."""
    name, arguments = journey.left_off(team)
    if name in ("onboarding:connect", "onboarding:choose") and cast(Request, request).role not in MANAGING:
        return render(request, "onboarding/not_set_up.html", {"team": team, "managers": recipients_of(team)})
    return HttpResponseRedirect(reverse(name, kwargs=arguments))


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
@sensitive_post_parameters("token")
def connect(request: HttpRequest, team: Team) -> HttpResponse:
    """The sources on offer, and those that are connected. A POST checks one and keeps it."""
    if request.method != "POST":
        return _connect_page(request, team)
    source, token = request.POST.get("source", ""), request.POST.get("token", "")
    try:
        found = connections.check(team, source, token)
        connection = journey.connect(team, _user(request), source, token=token, found=found)
    except ASKING as error:
        return _connect_page(request, team, source, Trouble.of(error))
    messages.success(request, _connected(connection))
    response = see_other("onboarding:choose", team)
    return HttpResponseClientRedirect(response.url) if _htmx(request) else response


def _connect_page(request: HttpRequest, team: Team, source: str = "", trouble: Trouble | None = None) -> HttpResponse:
    connected = {connection.source: connection for connection in connections.connections_of(team)}
    context = {
        "team": team,
        "offered": connections.offered(),
        "connected": connected,
        "source": source or ConnectionSource.GITHUB,
        "trouble": trouble,
        "scopes": TOKEN_SETTINGS,
        "app": app.is_configured(),
        "webhook": Webhook.objects.for_team(team).first(),
        "follows": TrackedRepository.objects.for_team(team).exists(),
    }
    template = "onboarding/connect.html"
    # HTMX leaves the form, and the token in it, as it is.
    fragment = f"{template}#trouble" if trouble and _htmx(request) else template
    return render(request, fragment, context, status=422 if trouble else 200)


def _connected(connection: Connection) -> str:
    count = f"{len(connection.listing)}{' or more' if connection.listing_more else ''}"
    noun = "repository" if count == "1" else "repositories"
    if connection.source == ConnectionSource.GITHUB:
        whose = f" as {connection.login}" if connection.login else ""
        return f"GitHub is connected{whose}: {count} {noun} can be read."
    if connection.source == ConnectionSource.SAMPLE:
        return f"The sample organisation is connected: {count} {noun}."
    return f"{count} local {'clone' if count == '1' else 'clones'} found."


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def disconnect(request: HttpRequest, team: Team, source: str) -> HttpResponse:
    """Leave a source: its token is deleted. What was read stays, but for the sample's figures."""
    if request.method == "POST":
        of_app = Connection.objects.for_team(team).filter(source=source, installation_id__isnull=False).exists()
        try:
            if source == ConnectionSource.GITHUB:
                connections.revoke(team)
            if connections.leave(team, source):
                left, token = ConnectionSource(source).label, source == ConnectionSource.GITHUB and not of_app
                messages.success(request, f"{left} is disconnected.{TOKEN_LEFT if token else ''}")
        except connections.CannotConnect as error:
            messages.error(request, str(error))
    return see_other("onboarding:connect", team)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def webhook(request: HttpRequest, team: Team) -> HttpResponse:
    """Make the team's webhook, or give it a new secret; both are shown on the page that answers, and never again."""
    if request.method != "POST":
        return see_other("onboarding:connect", team)
    try:
        made, secret = webhooks.make(team, _user(request))
    except CredentialError as error:
        messages.error(request, str(error))
        return see_other("onboarding:connect", team)
    address = request.build_absolute_uri(reverse("integrations:webhook", kwargs={"key": made.key}))
    context = {"team": team, "address": address, "secret": secret, "events": webhooks.EVENTS}
    response = render(request, "onboarding/webhook.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def refresh(request: HttpRequest, team: Team) -> HttpResponse:
    """Read what has changed, now; two clicks give one run."""
    if request.method != "POST":
        return see_other("onboarding:connect", team)
    if not TrackedRepository.objects.for_team(team).exists():
        messages.info(request, "There is nothing to refresh yet. Choose repositories first.")
        return see_other("onboarding:setup", team)
    run, _ = tasks.refresh(team.pk, started_by=_user(request))
    return see_other("onboarding:run_detail", team, run_id=run.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def choose(request: HttpRequest, team: Team) -> HttpResponse:
    """The repositories that the team's sources list. A POST keeps what was ticked, searched or set."""
    sources = connections.connections_of(team)
    if not sources:
        messages.info(request, "Connect a source first; then choose its repositories.")
        return see_other("onboarding:connect", team)
    state = State.load(request.session, team)
    if request.method == "POST":
        page = take(request, team, sources, state)
        if request.POST.get("do") == "back":
            return see_other("onboarding:connect", team)
        if _htmx(request):
            # A tick changes what is said of the choice, a search or a window the rows, too.
            return _choose_page(request, team, page, "ticked" if "part" in request.GET else "changed")
        return see_other("onboarding:choose", team)
    if state.follow(request.GET):
        state.save(request.session, team)
    troubles = _list(sources, again="again" in request.GET, further="further" in request.GET)
    page = choice.page(team, sources, state)
    if "sizes" in request.GET:
        troubles += _measure(sources, page)
        page = choice.page(team, sources, state)
        page.measured = True
    page.troubles = troubles
    if _htmx(request) and "sizes" in request.GET:
        return _choose_page(request, team, page, "sizes")
    return _choose_page(request, team, page, sources=sources)


def _choose_page(request: HttpRequest, team: Team, page: Page, fragment: str = "", **rest: object) -> HttpResponse:
    here = reverse("onboarding:choose", kwargs={"slug": team.slug})
    template = f"onboarding/choose.html{f'#{fragment}' if fragment else ''}"
    return render(request, template, {"team": team, "page": page, "here": here, **rest})


def take(request: HttpRequest, team: Team, sources: list[Connection], state: State) -> Page:
    """Put what the form says into the person's state; the page as it is then."""
    before = choice.page(team, sources, state)
    state.take(request.POST, before)
    state.save(request.session, team)
    return choice.page(team, sources, state)


def _list(sources: list[Connection], *, again: bool, further: bool) -> list[Trouble]:
    """Read lists that are old, or wanted further. What cannot be read now is shown as it was."""
    troubles = []
    for connection in sources:
        try:
            if again or not connections.is_fresh(connection):
                connections.refresh(connection)
            elif further:
                connections.read_more(connection)
        except ASKING as error:
            troubles.append(Trouble.of(error))
    return troubles


def _measure(sources: list[Connection], page: Page) -> list[Trouble]:
    troubles = []
    for connection in sources:
        names = [row.name for row in page.unmeasured if row.source == connection.source]
        try:
            connections.measure(connection, names)
        except ASKING as error:
            troubles.append(Trouble.of(error))
    return troubles


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def start(request: HttpRequest, team: Team) -> HttpResponse:
    """Start the run over what is ticked, or join the one under way; two clicks give one run."""
    if request.method != "POST":  # the way back from the log-in page after a session has ended
        return see_other("onboarding:choose", team)
    sources, state = connections.connections_of(team), State.load(request.session, team)
    page = take(request, team, sources, state)
    known = {row.key for row in page.rows}
    gone = [key.partition(":")[2] for key in request.POST.getlist("pick") if key not in known]
    if gone:
        messages.warning(request, f"{', '.join(gone[:5])} is not listed any more. Look through the list, then start.")
    elif not page.picked:
        messages.error(request, "Nothing is ticked. Choose at least one repository, then start.")
    else:
        return _begin(request, team, page)
    return see_other("onboarding:choose", team)


def _begin(request: HttpRequest, team: Team, page: Page) -> HttpResponse:
    try:
        run, created, tracked = journey.begin(team, _user(request), choice.by_source(page.picked), page.state.months)
    except (InvalidName, NotAllowed) as error:
        messages.error(request, str(error))
        return see_other("onboarding:choose", team)
    State.forget(request.session, team)
    if not created:
        messages.info(request, journey.joining(run, team, tracked))
    return see_other("onboarding:run_detail", team, run_id=run.pk)


def _user(request: HttpRequest) -> User:
    return cast(Request, request).user


def _htmx(request: HttpRequest) -> bool:
    return bool(cast(Request, request).htmx)
