"""Addresses with two bodies, the page and a part of it for HTMX: no cache may take one
for the other.
"""

import pytest
from django.test import Client
from django.utils.cache import has_vary_header

from tests.project.addresses import values, walk

pytestmark = pytest.mark.django_db
HTMX = {"hx-request": "true"}


def bodies_of(client, path):
    """Return the answers to a browser and to HTMX."""
    return client.get(path), client.get(path, headers=HTMX)


def test_address_with_two_bodies_names_the_header_that_decides(acme):
    client = Client(raise_request_exception=False)
    client.force_login(acme.owner)
    visitor = Client(raise_request_exception=False)
    with_two = set()
    for address in walk():
        if address.path.startswith("/admin/") or getattr(address.view, "streams_a_run", False):
            continue
        path = address.filled(values(acme))
        for who in (client, visitor):
            page, part = bodies_of(who, path)
            is_short = "<html" in page.content.decode() and "<html" not in part.content.decode()
            if (page.status_code, is_short) == (part.status_code, False):
                continue
            with_two.add(address.name)
            for answer in (page, part):
                assert has_vary_header(answer, "HX-Request"), address.name
                control = answer.headers["Cache-Control"]
                assert "no-store" in control or "no-cache" in control, address.name
    assert {
        "onboarding:run_detail",
        "metrics:dashboard",
        "metrics:pull_requests",
        "metrics:compare",
    } <= with_two
