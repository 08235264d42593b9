"""Direct commits reached the trunk without a pull request: one figure of their own, and
in no other one.
"""

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse

from apps.metrics.api import tokens
from apps.metrics.factories import RepositoryFactory, TeamMemberFactory
from apps.metrics.figures.export import weekly_rows
from apps.metrics.figures.weekly import recompute
from apps.metrics.models import Scope, WeeklyMetrics
from apps.metrics.records import ChangeKind
from apps.onboarding.services import digest
from apps.users.models import User
from tests.metrics.pages import MONDAY, merged

WEEK = MONDAY.date()


def counts_on(page):
    """Return the counts of direct commits that a page shows, in its order."""
    return [
        int(count)
        for count in re.findall(r'data-direct-commits="(\d+)"', page.content.decode())
    ]


@pytest.fixture
def ada(team):
    return TeamMemberFactory(team=team, name="Ada", login="ada")


@pytest.fixture
def landed(team, repository, ada):
    """Two merged pull requests of this week, three direct commits, and one direct
    commit of the week before.
    """
    for number in (1, 2):
        merged(repository, 0, 5, number=number, author=ada, additions=10, deletions=0)
    for _ in range(3):
        push(repository, 0, author=ada)
    push(repository, 1, author=ada)
    recompute(team.pk)


def push(repository, weeks_ago, **values):
    """Make a large, AI-assisted direct commit, which would change each figure that
    counted it.
    """
    values = {
        "additions": 9000,
        "deletions": 90,
        "ai_assisted": True,
        "opening_known": False,
    } | values
    return merged(
        repository, weeks_ago, 0, number=None, kind=ChangeKind.CHANGE, title="Push", **values
    )


@pytest.mark.usefixtures("landed")
@pytest.mark.parametrize("scope", Scope)
def test_direct_commits_are_in_their_own_figure_only(team, scope):
    week = WeeklyMetrics.objects.for_team(team).get(week=WEEK, scope=scope)
    assert (week.opened, week.merged, week.direct_commits) == (2, 2, 3)
    assert (week.authors, week.ai_assisted, week.additions, week.deletions) == (1, 0, 20, 0)
    assert (week.time_to_merge_hours_n, week.size_lines_p90, week.reviewable) == (2, 10, 2)
    before = WeeklyMetrics.objects.for_team(team).get(
        week=WEEK - timedelta(days=7), scope=scope
    )
    assert (before.opened, before.merged, before.direct_commits) == (0, 0, 1)


@pytest.mark.usefixtures("landed")
def test_export_has_them_in_a_column_of_their_own(team):
    rows = list(weekly_rows(team.pk, Scope.TEAM, everything=True))
    assert [(row["week_start"], row["merged"], row["direct_commits"]) for row in rows] == [
        ("2026-02-02", 0, 1),
        ("2026-02-09", 2, 3),
    ]
    # The columns of the first version have figures of pull requests only.
    assert [(row["opened"], row["merged"]) for row in weekly_rows(team.pk, Scope.TEAM)] == [
        (2, 2)
    ]


@pytest.mark.usefixtures("landed")
def test_command_exports_them_with_all_figures(team, capsys):
    call_command("export_weekly", team=team.slug, by="repository", format="csv", all=True)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out.lstrip("\ufeff"))))
    assert [(row["merged"], row["direct_commits"]) for row in rows] == [("0", "1"), ("2", "3")]


def test_repository_without_pull_requests_has_none(team, repository, visit):
    push(repository, 0)
    recompute(team.pk)
    assert list(weekly_rows(team.pk, Scope.TEAM)) == []
    (row,) = weekly_rows(team.pk, Scope.REPOSITORY, everything=True)
    assert (row["opened"], row["merged"], row["direct_commits"]) == (0, 0, 1)
    assert counts_on(visit()) == [1]
    assert 'data-total="0"' in visit("pull_requests").content.decode()


@pytest.mark.usefixtures("landed")
def test_api_names_the_kind_and_gives_direct_commits_only_if_asked(team, client):
    owner = User.objects.create_user("lead@acme.example")
    _, text = tokens.make(team, "Report", owner)
    headers = {"Authorization": f"Bearer {text}"}

    def ask(name, **query):
        return client.get(reverse(f"metrics:api_{name}"), query, headers=headers)

    pulls = ask("pull_requests").json()["items"]
    assert [(pull["number"], pull["kind"]) for pull in pulls] == [
        (2, "pull_request"),
        (1, "pull_request"),
    ]
    direct = ask("pull_requests", kind="direct_commit").json()["items"]
    assert [(pull["number"], pull["kind"]) for pull in direct] == [(None, "direct_commit")] * 4
    assert ask("pull_requests", kind="release").json()["items"] == []
    assert ask("pull_requests", kind="change").status_code == 400
    weeks = ask("weekly").json()["items"]
    assert [(week["merged"], week["direct_commits"]) for week in weeks] == [(0, 1), (2, 3)]


@pytest.mark.usefixtures("landed")
def test_pages_show_them_beside_the_pull_requests(team, repository, ada, visit):
    dashboard = visit()
    assert counts_on(dashboard) == [4]
    assert counts_on(visit("dashboard", repository=repository.pk)) == [4]
    assert counts_on(visit("dashboard", author=TeamMemberFactory(team=team).pk)) == [4]
    assert counts_on(visit("repositories")) == [4]
    assert counts_on(visit("people")) == [4]
    assert counts_on(visit("member", ada.pk)) == [4, 4]
    link = re.search(r'data-direct-commits="4"\s+href="([^"]+)"', dashboard.content.decode())[1]
    assert link.endswith("?kind=direct")
    page = visit("pull_requests", kind="direct").content.decode()
    assert 'data-total="4"' in page
    assert len(re.findall(r"data-direct\s", page)) == 4


@pytest.mark.usefixtures("landed")
def test_list_of_a_week_has_as_many_as_the_table(visit):
    pulls = visit("pull_requests", state="merged", week=WEEK.isoformat()).content.decode()
    direct = visit("pull_requests", kind="direct", week=WEEK.isoformat()).content.decode()
    assert 'data-total="2"' in pulls
    assert 'data-total="3"' in direct
    assert 'id="other-kind"' in pulls
    assert 'name="kind" value="direct"' in direct


@pytest.mark.usefixtures("landed")
def test_numbers_of_the_chart_have_both(visit):
    weeks = json.loads(visit("chart_json", "merged").content)["weeks"]
    assert [(week["merged"], week["direct_commits"]) for week in weeks] == [(0, 1), (2, 3)]


@pytest.mark.usefixtures("landed")
def test_pages_without_direct_commits_do_not_mention_them(team, visit):
    other = RepositoryFactory(team=team)
    merged(other, 0, 5, number=1)
    recompute(team.pk)
    assert counts_on(visit("dashboard", repository=other.pk)) == []
    assert 'id="other-kind"' not in visit("pull_requests", repository=other.pk).content.decode()


@pytest.mark.usefixtures("landed")
def test_weekly_email_has_a_line_for_them(team):
    (line,) = [line for line in digest.figures(team, WEEK) if line.key == "direct_commits"]
    assert (line.value, line.before, line.differs) == ("3", "1", False)
    assert line.path.endswith(f"kind=direct&week={WEEK.isoformat()}")
    values = {line.key: line.value for line in digest.figures(team, WEEK)}
    assert values["merged"] == "2"
    # A week in which direct commits alone landed is not a week without work.
    assert [line.key for line in digest.figures(team, WEEK - timedelta(days=7))][
        -1
    ] == "direct_commits"


@pytest.mark.usefixtures("landed")
def test_comparison_has_a_line_for_them(visit):
    page = visit("compare").content.decode()
    assert re.search(
        r'<th scope="row">Direct commits</th>\s*<td>\s*<span class="value">4</span>', page
    )
