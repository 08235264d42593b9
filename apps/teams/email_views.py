"""The pages on which a person chooses emails: one for all teams, and the link in an
email that turns one kind off.
"""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.teams.email_forms import EmailPreferencesForm, StopForm
from apps.teams.emails import ALWAYS, EXPLANATIONS, choose, find, wants
from apps.teams.models import Membership
from apps.users.models import User


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def email_preferences(request: HttpRequest) -> HttpResponse:
    """Show and save what the person gets about each team."""
    memberships = (
        Membership.objects.filter(user=cast(User, request.user))
        .select_related("team")
        .order_by("team__name", "pk")
    )
    form = EmailPreferencesForm(memberships, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with transaction.atomic():
            for membership, kind, wanted in form.choices():
                choose(membership, kind, wanted)
        messages.success(request, "Saved.")
        return HttpResponseRedirect(reverse("teams:email_preferences"), status=303)
    return render(request, "teams/email_preferences.html", {"form": form, "always": ALWAYS})


@never_cache
@csrf_exempt  # the signed address is the proof, and a mail program sends no cookie of this site
@require_http_methods(["GET", "HEAD", "POST"])
def email_stop(request: HttpRequest, token: str) -> HttpResponse:
    """Ask on a GET, because mail scanners open links; turn the emails off, or on again,
    on a POST.
    """
    found = find(token)
    if found is None:
        raise Http404("This link is invalid, or the person has left the team.")
    membership, kind = found
    form = StopForm(request.POST)
    if request.method == "POST":
        choose(membership, kind, form.values["digest"])
        if not form.has("List-Unsubscribe"):
            return HttpResponseRedirect(request.path, status=303)
        # A mail program's own button: RFC 8058 advises against a redirect.
        membership.refresh_from_db()
    context = {
        "membership": membership,
        "kind": kind,
        "explanation": EXPLANATIONS[kind],
        "wanted": wants(membership, kind),
    }
    return render(request, "teams/email_stop.html", context)
