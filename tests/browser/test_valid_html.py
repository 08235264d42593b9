"""Every page is valid HTML by html-validate, which knows elements, attributes, and
values, and needs no network.
"""

import json
import re
import subprocess
from html.parser import HTMLParser

import pytest
from django.test import Client

from apps.pipelines import engine
from apps.pipelines.models import Run
from tests import services
from tests.browser.test_every_page import paths
from tests.fixtures.workers import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
CHECKER = ROOT / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"
RULES = {
    "root": True,
    "extends": ["html-validate:recommended"],
    "rules": {
        # Style, not validity.
        "doctype-style": "off",
        "no-implicit-button-type": "off",
        "no-implicit-input-type": "off",
        "no-trailing-whitespace": "off",
        # A list is posted as one name with many values.
        "form-dup-name": "off",
        # Within `noscript`: a run's page has no other way to follow the run.
        "meta-refresh": "off",
        # A box that scrolls has a role and a name, so that it can be focused; the
        # progress bar shows its parts.
        "prefer-native-element": "off",
        # A token of another service must not be offered to a password manager.
        "autocomplete-password": "off",
    },
}
TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?")
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


class Outline(HTMLParser):
    """Counts the sections of a page that have no heading."""

    def __init__(self):
        super().__init__()
        self._open = []
        self.without_heading = []

    def handle_starttag(self, tag, attrs):
        if tag == "section":
            self._open.append({"attrs": dict(attrs), "heading": False})
        elif tag in HEADINGS and self._open:
            self._open[-1]["heading"] = True

    def handle_endtag(self, tag):
        if tag == "section" and not (section := self._open.pop())["heading"]:
            self.without_heading.append(section["attrs"])


def is_whole(answer):
    """Return whether an answer is a page, not a part, a file, or a stream."""
    if answer.streaming or not answer.headers.get("Content-Type", "").startswith("text/html"):
        return False
    return "<html" in answer.content.decode()


def findings(folder):
    """Return what html-validate finds in the files of a folder, a line for each kind
    and file.
    """
    node = services.require("node", "html-validate runs in it")
    (folder / ".htmlvalidate.json").write_text(json.dumps(RULES))
    # Not to a pipe: Node.js ends before a long report is through.
    report = folder / "report.json"
    command = [
        node,
        str(CHECKER),
        "--formatter",
        f"json={report}",
        "--ext",
        "html",
        str(folder),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    lines = []
    for file in json.loads(report.read_text()):
        name = file["filePath"].removeprefix(f"{folder}/")
        lines += [
            f"{name}:{found['line']}: {found['ruleId']}: {found['message']}"
            for found in file["messages"]
        ]
    return lines


def without_heading(html):
    """Return the attributes of each section that has no heading of its own."""
    outline = Outline()
    outline.feed(html)
    return outline.without_heading


def faulty_times(html):
    """Return each machine-readable time that HTML does not allow, such as one with
    microseconds.
    """
    return [
        value for value in re.findall(r'datetime="([^"]*)"', html) if not TIME.fullmatch(value)
    ]


@pytest.fixture
def pages(tmp_path):
    """Return a function that keeps the pages at addresses, as a person or a visitor is
    answered.
    """
    kept = {}

    def keep(who, user, addresses):
        client = Client(raise_request_exception=False)
        if user:
            client.force_login(user)
        for address in addresses:
            answer = client.get(address)
            if not is_whole(answer):
                continue
            name = re.sub(r"\W+", "_", f"{who}{address}").strip("_")
            kept[name] = answer.content.decode()
            (tmp_path / f"{name}.html").write_text(kept[name])

    keep.kept = kept
    keep.folder = tmp_path
    return keep


def test_every_page_is_valid(acme, pages, begin, work, mara, team):
    pages("owner", mara, paths(acme))
    pages(
        "member",
        team.memberships.get(role="member").user,
        [path for path in paths(acme) if path.startswith("/t/")],
    )
    pages("visitor", None, [path for path in paths(acme) if not path.startswith("/t/")])
    runs = [acme.run, work(begin(token="bad-token")), begin()]
    engine.cancel(runs[-1])
    runs += [work(begin()), begin()]
    for run in runs:
        state = Run.objects.get(pk=run.pk).state
        pages(state, mara, [f"/t/acme/onboarding/runs/{run.pk}/"])
        pages(
            f"team_with_{state}",
            mara,
            ["/t/acme/", "/t/acme/?weeks=52", "/t/acme/compare/", "/t/acme/sources/"],
        )
    assert len(pages.kept) > 60
    assert findings(pages.folder) == []
    assert {
        name: found for name, html in pages.kept.items() if (found := without_heading(html))
    } == {}
    assert {
        name: found for name, html in pages.kept.items() if (found := faulty_times(html))
    } == {}
