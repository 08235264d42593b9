"""Stopping the weekly mail: by the link in it, or by the mail program's own button, without signing in."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.onboarding.services.digest import membership_of


@csrf_exempt  # the signed address is the proof, and a mail program has no cookie of ours
@require_http_methods(["GET", "HEAD", "POST"])
def digest_stop(request: HttpRequest, token: str) -> HttpResponse:
    """A GET asks, for mail scanners open links; a POST does it."""
    membership = membership_of(token)
    if membership is None:
        raise Http404("This link is not of a mail of ours, or the person has left the team.")
    if request.method == "POST":
        membership.digest = request.POST.get("digest") == "on"
        membership.save(update_fields=["digest"])
        return HttpResponseRedirect(request.path, status=303)
    return render(request, "onboarding/digest_stop.html", {"membership": membership})
