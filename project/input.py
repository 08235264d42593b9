"""Refuse requests that no page of this site sends, before a session or a form is read.

    GET /t/acme/?q=%00                      400
    GET /accounts/login/?a0&a1&…&a1000      400
    POST with charset=utf-7, or a file      400
    POST with more than its address takes   413

They are answered by a short page, logged as information, and never mailed to the
operators.
"""

import logging
import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.contrib.admin.options import TO_FIELD_VAR
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse

from project.server import limits

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]
API = "/api/"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
UTF_8 = {"utf-8", "utf8", "us-ascii", "ascii"}
DELIVERY_PATH = re.compile(r"/hooks/[a-z]{1,10}/(?:app|[0-9a-f-]{36})/")
# Headers that django-htmx parses as addresses.
ADDRESS_HEADERS = ("HTTP_HX_CURRENT_URL",)


class Refused(Exception):
    """The request is not handled; `reason` is shown to its sender."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


class RefuseFiles(FileUploadHandler):
    """Refuses uploads before any part is stored, because no page takes files."""

    def new_file(self, *args: object, **kwargs: object) -> None:
        raise SuspiciousOperation("A form with a file was sent.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None


class InputMiddleware:
    """Answers malformed requests; passes all others on."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            check(request)
        except Refused as refused:
            logger.info("Refused a request to %s: %s", request.path[:200], refused.reason)
            return refusal(request, refused.reason, refused.status)
        return self.get_response(request)


def check(request: HttpRequest) -> None:
    """Raise Refused for a request that no page of this site sends."""
    _check_host(request)
    if "\x00" in request.path:
        raise Refused("The address contains a NUL character.")
    _check_query(request)
    _check_texts("cookie", request.COOKIES.items())
    _drop_malformed_addresses(request)
    _check_body(request)
    _check_admin(request)


def refusal(request: HttpRequest, reason: str, status: int) -> HttpResponse:
    """Return the page for a request that is not handled; JSON for the API's clients,
    plain text for GitHub.
    """
    response: HttpResponse
    if request.path.startswith(API):
        response = JsonResponse({"error": reason}, status=status)
    elif DELIVERY_PATH.fullmatch(request.path):
        # GitHub shows the answer's text beside the delivery.
        response = HttpResponse(reason, status=status, content_type="text/plain; charset=utf-8")
    else:
        page = render_to_string("400.html", {"reason": reason, "status": status})
        response = HttpResponse(page, status=status)
    response.headers["Cache-Control"] = "no-store"
    if status == 413:
        response.headers["Connection"] = "close"
    return response


def _check_host(request: HttpRequest) -> None:
    try:
        request.get_host()
    except DisallowedHost:
        raise Refused("This site has another host name.") from None


def _check_query(request: HttpRequest) -> None:
    query = request.META.get("QUERY_STRING", "")
    if len(query) > limits.URL:
        raise Refused("The address is too long.", 414)
    if query.count("&") >= (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS or 1000):
        raise Refused("The address has too many parameters.")
    if "\x00" in query or "%00" in query:
        raise Refused("The address contains a NUL character.")


def _check_texts(place: str, pairs: Iterable[tuple[str, str]]) -> None:
    for name, text in pairs:
        if "\x00" in name or "\x00" in text:
            raise Refused(f"A {place} contains a NUL character.")


def _drop_malformed_addresses(request: HttpRequest) -> None:
    """Remove headers that django-htmx would parse, if they are no addresses. The page
    is the same without them.
    """
    for name in ADDRESS_HEADERS:
        if name not in request.META:
            continue
        try:
            parts = urlsplit(request.META[name])
            _ = parts.port, parts.hostname
            is_sound = "\x00" not in unquote(request.META[name])
        except ValueError:
            is_sound = False
        if not is_sound:
            del request.META[name]
            request.META.pop(f"{name}_URI_AUTOENCODED", None)


def _check_body(request: HttpRequest) -> None:
    signature = request.META.get("HTTP_X_HUB_SIGNATURE_256", "").encode("latin-1", "replace")
    limit = limits.body_limit(request.path.encode(), [(limits.SIGNATURE, signature)])
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdecimal() and (len(length) > 15 or int(length) > limit):
        raise Refused("The request is larger than this address accepts.", 413)
    if request.content_type not in FORM_TYPES:
        return
    if (request.content_params or {}).get("charset", "utf-8").lower() not in UTF_8:
        raise Refused("A form has to be encoded as UTF-8.")
    # A delivery's signature covers its bytes, which cannot be read any more after
    # Django has parsed a multipart form.
    if request.method == "POST" and not DELIVERY_PATH.fullmatch(request.path):
        _check_form(request)


def _check_admin(request: HttpRequest) -> None:
    """Refuse an empty name of a field, which Django's admin looks up without a check."""
    try:
        admin = reverse("admin:index")
    except NoReverseMatch:  # these addresses have no admin
        return
    if not request.path.startswith(admin):
        return
    for given in (request.GET, request.POST):
        if given.get(TO_FIELD_VAR) == "":
            raise Refused("The address names no field.")


def _check_form(request: HttpRequest) -> None:
    try:
        form = request.POST
    except RequestDataTooBig:
        raise Refused("The request is larger than this address accepts.", 413) from None
    except (
        BadRequest,
        SuspiciousOperation,
        MultiPartParserError,
        UnreadablePostError,
        ValueError,
    ):
        raise Refused("The form is malformed, too large, or has a file.") from None
    for name, texts in form.lists():
        _check_texts("field", ((name, str(text)) for text in texts))
