"""Everything that is shown of a team, as texts by name: rows, exports, the API's
answers, and the words of pages.

    shown.of("octo")     # {"row member ann": "{'login': 'ann', …}", "export by team": "week,…", "page /people/": "…"}

What says when or under which key something was read is left out: it differs between two
installations.
"""

import csv
import io
import json
import re
import zlib
from html.parser import HTMLParser

from django.test import Client

from apps.metrics.api import tokens
from apps.metrics.figures.export import columns, weekly_rows
from apps.metrics.models import PullRequest, Scope, TeamMember
from apps.teams.models import Team
from apps.users.models import User
from tests.integrations.fresh import stored
from tests.integrations.teams import OWNER

PAGES = ("", "people/", "repositories/", "pull-requests/", "measures/")
# "06:15" and "06:15 UTC": when something was read.
CLOCK = re.compile(r"\b\d\d:\d\d(?: UTC)?\b")


def of(slug):
    """Return everything shown of the team with this slug."""
    team = Team.objects.get(slug=slug)
    found = {f"row {' '.join(map(str, key))}": repr(row) for key, row in stored(team).items()}
    return found | exports(team) | answers(team) | pages(team)


def exports(team):
    """Return the weekly tables as CSV, by what they count for."""
    found = {}
    for scope in Scope:
        text = io.StringIO()
        table = csv.DictWriter(text, columns(scope, everything=True))
        table.writeheader()
        table.writerows(weekly_rows(team.pk, scope, everything=True))
        found[f"export by {scope.value}"] = text.getvalue()
    return found


def answers(team):
    """Return the items of the API's answers, each as JSON, sorted."""
    owner = User.objects.get(email=OWNER)
    _, secret = tokens.make(team, "comparison", owner)
    client, found = Client(headers={"Authorization": f"Bearer {secret}"}), {}
    numbers = dict(PullRequest.objects.for_team(team).values_list("pk", "number"))
    for path in (
        "pull-requests?limit=100",
        "insights",
        *(f"weekly?by={scope.value}" for scope in Scope),
    ):
        items, following = [], ""
        while following is not None:
            answer = client.get(f"/api/v1/{path}{following}").json()
            items += answer["items"]
            following = f"&before={answer['next']}" if answer["next"] else None
        for item in items:
            item.pop("id", None)
            if "pull_requests" in item:
                item["pull_requests"] = [numbers[key] for key in item["pull_requests"]]
                # "repository:7": the title has its name.
                item["subject"] = item["subject"].partition(":")[0]
        found[f"api {path}"] = "\n".join(
            sorted(json.dumps(item, sort_keys=True) for item in items)
        )
    return found


def pages(team):
    """Return the words of the team's pages, and of the pages of a third of its members,
    which the team's slug chooses.
    """
    client = Client()
    client.force_login(User.objects.get(email=OWNER))
    found = {f"page {path}": words(client.get(f"/t/{team.slug}/{path}")) for path in PAGES}
    for member in TeamMember.objects.for_team(team):
        if zlib.crc32(f"{team.slug} {member.key}".encode()) % 3:
            continue
        found[f"page of {member.key}"] = words(
            client.get(f"/t/{team.slug}/people/{member.pk}/")
        )
    return found


def words(answer):
    """Return the words of a page, one piece of text a line, without times of the day."""
    assert answer.status_code == 200, answer.status_code
    reader = _Words()
    reader.feed(answer.content.decode())
    return CLOCK.sub("", "\n".join(reader.found))


class _Words(HTMLParser):
    SKIPPED = ("head", "script", "style", "time", "template")

    def __init__(self):
        super().__init__()
        self.found, self._inside = [], 0

    def handle_starttag(self, tag, attributes):
        self._inside += tag in self.SKIPPED

    def handle_endtag(self, tag):
        self._inside -= tag in self.SKIPPED

    def handle_data(self, data):
        text = " ".join(data.split())
        if text and not self._inside:
            self.found.append(text)


def differences(mine, theirs):
    """Return what differs between two results of `of`, as texts."""
    found = [f"only in the refreshed: {name}" for name in mine.keys() - theirs.keys()]
    found += [f"only in the fresh: {name}" for name in theirs.keys() - mine.keys()]
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            found += [f"{name}: {line}" for line in _lines(mine[name], theirs[name])]
    # Rows first: what is shown follows from them.
    return sorted(found, key=lambda line: ("row " not in line, line))


def _lines(mine, theirs):
    """Return the first lines that differ."""
    pairs = zip(mine.splitlines(), theirs.splitlines(), strict=False)
    differing = [f"{own!r}, fresh {other!r}" for own, other in pairs if own != other][:3]
    return differing or [f"{len(mine.splitlines())} lines, fresh {len(theirs.splitlines())}"]
