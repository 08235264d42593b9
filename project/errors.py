"""The answer to an exception that no view handles: a plain page with a reference.
Operators find the details under the reference.
"""

import logging
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.template.loader import render_to_string

from apps.pipelines import incidents
from project import outages

logger = logging.getLogger(__name__)

PLAIN_PAGE = """<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>Something failed here</title></head>
  <body>
    <h1>Something failed here</h1>
    <p>Reference <code id="reference">{reference}</code>: give it to the operator of this site.</p>
  </body>
</html>
"""


def server_error(request: HttpRequest, template_name: str = "500.html") -> HttpResponse:
    """Return the page for status 500.

    Django has just logged the traceback; the log line here adds its reference.
    """
    outage = outages.outage_of(sys.exception())
    if outage:
        return outages.respond(request, outage)
    reference = incidents.new_reference()
    error = sys.exception()
    where = f"{request.method} {request.path}"
    logger.error("Incident %s: %s: %s", reference, where, type(error).__name__)
    # If the database itself is away, storing an incident would fail, too.
    if error is not None and not isinstance(error, OperationalError | InterfaceError):
        incidents.keep(reference, where, incidents.details_of(error))
    if request.path.startswith("/api/"):
        text = f"Something went wrong. The reference for the operators is {reference}."
        return JsonResponse({"error": text}, status=500)
    return HttpResponseServerError(_page(template_name, reference))


def _page(template_name: str, reference: str) -> str:
    """Return the page; a plain one if the template fails, for example without static files.

    An exception here would come back here, once for each middleware.
    """
    try:
        return render_to_string(template_name, {"reference": reference})
    except Exception:
        logger.exception("The page for status 500 could not be rendered.")
        return PLAIN_PAGE.format(reference=reference)
