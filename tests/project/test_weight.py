"""How much a page weighs for a browser that has nothing of it:

HTML, style sheets, scripts, fonts, and icons.
"""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from apps.metrics.factories import PullRequestFactory
from tests.project.addresses import values, walk

pytestmark = pytest.mark.django_db

LIMIT = 150_000
ADDRESS = re.compile(r'(?:src|href)="/static/([^"]+)"')
IN_STYLE = re.compile(r'url\("\.\./([^"]+)"\)')
COMPRESSED = (".css", ".js", ".svg")


def file_weight(name):
    """Return the bytes of a static file as a production server sends it."""
    content = Path(finders.find(name)).read_bytes()
    return len(gzip.compress(content)) if name.endswith(COMPRESSED) else len(content)


def files_of(html):
    """Return the static files that a page loads, with the fonts that its style sheets
    name.
    """
    names = set(ADDRESS.findall(html))
    for style in [name for name in names if name.endswith(".css")]:
        names |= set(IN_STYLE.findall(Path(finders.find(style)).read_text()))
    return names


def test_page_is_light_when_nothing_is_cached(acme):
    PullRequestFactory.create_batch(55, repository=acme.repository, author=acme.member)
    client = Client(raise_request_exception=False, headers={"accept-encoding": "gzip"})
    client.force_login(acme.owner)
    weights = {}
    for address in walk():
        if address.path.startswith("/admin/") or getattr(address.view, "streams_a_run", False):
            continue
        answer = client.get(address.filled(values(acme)))
        if answer.streaming or "text/html" not in answer.headers.get("Content-Type", ""):
            continue
        body = answer.content
        html = (
            gzip.decompress(body).decode()
            if answer.headers.get("Content-Encoding") == "gzip"
            else body.decode()
        )
        if "<html" in html:
            weights[address.name] = len(body) + sum(
                file_weight(name) for name in files_of(html)
            )
    assert len(weights) > 15
    assert {name: weight for name, weight in weights.items() if weight > LIMIT} == {}


def test_answers_that_show_a_secret_are_not_compressed(acme):
    client = Client(headers={"accept-encoding": "gzip"})
    client.force_login(acme.owner)
    dashboard = client.get(f"/t/{acme.team.slug}/")
    assert dashboard.headers["Content-Encoding"] == "gzip"
    made = client.post(f"/t/{acme.team.slug}/onboarding/webhook/")
    token = client.post(f"/t/{acme.team.slug}/api/", {"name": "Report"})
    account = client.get("/accounts/email/")
    for answer in (made, token, account):
        assert answer.status_code == 200
        assert "Content-Encoding" not in answer.headers
