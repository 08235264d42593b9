"""The pages between a new team and its run: connect a source, choose repositories,
start.

Requests to sources are made before anything is stored, never inside a transaction.
Every POST ends in a redirect (303); HTMX gets fragments of the same templates.
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

from apps.integrations.connections import service, tracking
from apps.integrations.encryption import CredentialError
from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources import base
from apps.integrations.sources.errors import (
    CannotConnect,
    ConnectionProblem,
    InvalidName,
    SourceError,
)
from apps.integrations.webhooks import handling
from apps.onboarding.forms import ConnectForm, ListingForm, ListingQuery
from apps.onboarding.services import choice, journey, refreshing, source_cards
from apps.onboarding.services.choice import Page, State
from apps.onboarding.state import home_of
from apps.pipelines.exceptions import NotAllowed
from apps.teams import states
from apps.teams.access import TeamRequest, team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING, recipients_of
from apps.users.models import User

ASKING = (SourceError, CredentialError)


class Request(TeamRequest):
    """A request of a team's page, as the HTMX middleware leaves it."""

    htmx: HtmxDetails


def see_other(name: str, team: Team, **rest: object) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(name, kwargs={"slug": team.slug, **rest}), status=303)


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Lead a user who has signed in to a team's page, or to the form for a first
    team.
    """
    team = Team.objects.of(request.user).order_by("memberships__created_at", "pk").first()
    if team is None:
        return HttpResponseRedirect(reverse("teams:create"))
    return see_other("onboarding:team_home", team)


@require_safe
@team_view()
def team_home(request: HttpRequest, team: Team) -> HttpResponse:
    """Lead to what a member of the team wants now: its figures, its run, or the next
    step of its setup.
    """
    address = home_of(team)
    if address in _setup_pages(team) and cast(Request, request).role not in MANAGING:
        return setup(request, slug=team.slug)
    return HttpResponseRedirect(address)


def _setup_pages(team: Team) -> list[str]:
    """Return the addresses that are for owners and admins only."""
    return [reverse(f"onboarding:{name}", args=[team.slug]) for name in ("connect", "choose")]


@require_safe
@team_view()
def setup(request: HttpRequest, team: Team) -> HttpResponse:
    """Lead to the step at which the team left off.

    Members who are no owners or admins see a page that names those who can go on.
    """
    name, arguments = journey.left_off(team)
    if (
        name in ("onboarding:connect", "onboarding:choose")
        and cast(Request, request).role not in MANAGING
    ):
        return render(
            request,
            "onboarding/not_set_up.html",
            {"team": team, "managers": recipients_of(team)},
        )
    return HttpResponseRedirect(reverse(name, kwargs=arguments))


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
@sensitive_post_parameters("token")
def connect(request: HttpRequest, team: Team) -> HttpResponse:
    """Show the available sources and the connected ones.

    A POST checks a source, and connects it.
    """
    if request.method != "POST":
        if TrackedRepository.objects.for_team(team).exists() and service.connections_of(team):
            return see_other("onboarding:sources", team)
        return _connect_page(request, team)
    asked = ConnectForm(request.POST).values
    source, token = asked["source"], asked["token"]
    try:
        found = service.check(team, source, token)
        connection = journey.connect(team, _user(request), source, token=token, found=found)
    except ASKING as error:
        return _connect_page(request, team, source, ConnectionProblem.of(error))
    connected = base.get(source).connected(connection)
    resumable = states.of_team(team.pk).resumable
    if resumable is not None:
        # A new token leads back to the run that failed for want of one.
        messages.success(
            request,
            f"{connected} Token replaced. Resume from {resumable.resumes_at} %.",
        )
        response = see_other("onboarding:run_detail", team, run_id=resumable.id)
    else:
        messages.success(request, connected)
        follows = TrackedRepository.objects.for_team(team).exists()
        response = see_other("onboarding:sources" if follows else "onboarding:choose", team)
    # HTMX would put the page that a redirect leads to into the form's place.
    return HttpResponseClientRedirect(response.url) if _htmx(request) else response


def _connect_page(
    request: HttpRequest, team: Team, source: str = "", trouble: ConnectionProblem | None = None
) -> HttpResponse:
    context = {
        "team": team,
        "sources": source_cards.of_team(team, can_manage=True, asked=source),
        "trouble": trouble,
        "can_manage": True,
    }
    # HTMX leaves the form, and the token in it, as it is.
    only_trouble = trouble is not None and _htmx(request)
    template = "onboarding/source_trouble.html" if only_trouble else "onboarding/connect.html"
    return render(request, template, context, status=422 if trouble else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def disconnect(request: HttpRequest, team: Team, source: str) -> HttpResponse:
    """Leave a source: its token is deleted.

    What was read stays, unless it is made up.
    """
    if request.method == "POST":
        try:
            if message := service.disconnect(team, source):
                messages.success(request, message)
        except CannotConnect as error:
            messages.error(request, str(error))
    return see_other("onboarding:sources", team)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def webhook(request: HttpRequest, team: Team) -> HttpResponse:
    """Make the team's webhook, or give it a new secret; both are shown on the page that
    answers, and never again.
    """
    source = base.find(ConnectForm(request.POST).values["source"]) or base.default()
    if request.method != "POST" or source.hook is None:
        return see_other("onboarding:sources", team)
    try:
        made, secret = handling.make(team, _user(request))
    except CredentialError as error:
        messages.error(request, str(error))
        return see_other("onboarding:sources", team)
    address = request.build_absolute_uri(
        reverse("integrations:webhook", kwargs={"source": source.key, "key": made.key})
    )
    context = {"team": team, "address": address, "secret": secret, "source": source}
    response = render(request, "onboarding/webhook.html", context)
    # The page shows the secret, which must not stay in a cache.
    response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def refresh(request: HttpRequest, team: Team) -> HttpResponse:
    """Read what has changed, now; two clicks give one run."""
    if request.method != "POST":
        return see_other("onboarding:sources", team)
    if not TrackedRepository.objects.for_team(team).exists():
        messages.info(request, "There is nothing to refresh yet. Choose repositories first.")
        return see_other("onboarding:setup", team)
    run, _ = refreshing.refresh(team.pk, started_by=_user(request))
    return see_other("onboarding:run_detail", team, run_id=run.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def choose(request: HttpRequest, team: Team) -> HttpResponse:
    """Show the repositories that the team's sources list.

    A POST stores what was ticked, searched, or set.
    """
    sources = service.connections_of(team)
    if not sources:
        messages.info(request, "Connect a source first; then choose its repositories.")
        return see_other("onboarding:connect", team)
    state, query = State.load(request.session, team), ListingQuery(request.GET)
    if request.method == "POST":
        page = take(request, team, sources, state)
        if ListingForm(request.POST).values["do"] == "back":
            return see_other("onboarding:sources", team)
        if _htmx(request):
            # A tick changes only the summary of the choice; a search or a window also
            # changes the rows.
            return _choose_page(
                request, team, page, "ticked" if query.has("part") else "changed"
            )
        return see_other("onboarding:choose", team)
    if state.follow(query):
        state.save(request.session, team)
    troubles = _list(sources, again=query.has("again"), further=query.has("further"))
    page = choice.page(team, sources, state)
    if query.has("sizes"):
        troubles += _measure(sources, page)
        page = choice.page(team, sources, state)
        # Without this mark the page would request the sizes again.
        page.measured = True
    page.troubles = troubles
    if _htmx(request) and query.has("sizes"):
        return _choose_page(request, team, page, "sizes")
    return _choose_page(request, team, page, sources=sources)


def _choose_page(
    request: HttpRequest, team: Team, page: Page, fragment: str = "", **rest: object
) -> HttpResponse:
    here = reverse("onboarding:choose", kwargs={"slug": team.slug})
    template = f"onboarding/choose.html{f'#{fragment}' if fragment else ''}"
    return render(request, template, {"team": team, "page": page, "here": here, **rest})


def take(request: HttpRequest, team: Team, sources: list[Connection], state: State) -> Page:
    """Store the form's values in the user's state, and return the page with them."""
    before = choice.page(team, sources, state)
    state.take(ListingForm(request.POST), before)
    state.save(request.session, team)
    return choice.page(team, sources, state)


def _list(sources: list[Connection], *, again: bool, further: bool) -> list[ConnectionProblem]:
    """Read lists that are old, or wanted further.

    What cannot be read now is shown as it was.
    """
    troubles = []
    for connection in sources:
        try:
            if again or not service.is_fresh(connection):
                service.refresh(connection)
            elif further:
                service.read_more(connection)
        except ASKING as error:
            troubles.append(ConnectionProblem.of(error))
    return troubles


def _measure(sources: list[Connection], page: Page) -> list[ConnectionProblem]:
    troubles = []
    for connection in sources:
        names = [row.name for row in page.unmeasured if row.source.key == connection.source]
        try:
            service.measure(connection, names)
        except ASKING as error:
            troubles.append(ConnectionProblem.of(error))
    return troubles


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def start(request: HttpRequest, team: Team) -> HttpResponse:
    """Start the run over what is ticked, or join the one under way; two clicks give one
    run.
    """
    if request.method != "POST":  # the way back from the log-in page after a session has ended
        return see_other("onboarding:choose", team)
    sources, state = service.connections_of(team), State.load(request.session, team)
    page = take(request, team, sources, state)
    known = {row.key for row in page.rows}
    gone = [
        key.partition(":")[2]
        for key in ListingForm(request.POST).values["pick"]
        if key not in known
    ]
    if gone:
        messages.warning(
            request,
            f"{', '.join(gone[:5])} is no longer listed. Check the list, then start.",
        )
    elif not page.picked:
        messages.error(
            request, "Nothing is selected. Choose at least one repository, then start."
        )
    elif _is_set_up(team):
        return _change(request, team, page)
    else:
        return _begin(request, team, page, page.picked)
    return see_other("onboarding:choose", team)


def _is_set_up(team: Team) -> bool:
    """Return whether the team reads repositories, and no setup is under way that a
    second click should join.
    """
    run = journey.newest_run(team)
    return TrackedRepository.objects.for_team(team).exists() and not (
        run is not None and run.is_live
    )


def _change(request: HttpRequest, team: Team, page: Page) -> HttpResponse:
    """Add and remove repositories of a team that is set up.

    A run reads only what is new.
    """
    try:
        for row in page.dropped:
            tracking.untrack_name(team, row.source.rows, row.name)
    except CannotConnect as error:
        messages.error(request, str(error))
        return see_other("onboarding:choose", team)
    if page.dropped:
        names = ", ".join(row.name for row in page.dropped[:5])
        more = f", and {len(page.dropped) - 5} more" if len(page.dropped) > 5 else ""
        messages.success(
            request,
            f"No longer tracked: {names}{more}. Everything read so far stays in the figures.",
        )
    if page.to_read:
        return _begin(request, team, page, page.to_read)
    State.forget(request.session, team)
    if not page.dropped:
        messages.info(request, "Nothing changed.")
    return see_other("onboarding:sources", team)


def _begin(
    request: HttpRequest, team: Team, page: Page, rows: list[choice.Row]
) -> HttpResponse:
    months = page.state.months
    since = choice.first_day_of(team, months)
    try:
        run, created, tracked = journey.begin(
            team, _user(request), choice.by_source(rows), months, since
        )
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
