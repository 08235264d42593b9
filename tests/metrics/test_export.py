import csv
import io
import json
import subprocess
import sys
from datetime import date

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.metrics.factories import RepositoryFactory, TeamMemberFactory, WeeklyMetricsFactory
from apps.metrics.figures.declarations import NAMES
from apps.metrics.models import Scope

FIGURES = (
    "opened,merged,time_to_merge_hours_median,time_to_merge_hours_p75,time_to_merge_hours_p90,"
    "authors,ai_assisted,additions,deletions,reviews"
)


def export(*arguments):
    out = io.StringIO()
    call_command("export_weekly", "--team", "acme", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def weeks(team):
    for name in ("acme/web", "acme/API", "acme/api"):
        row = RepositoryFactory(team=team, full_name=name)
        for week in (date(2026, 2, 9), date(2025, 12, 29)):
            WeeklyMetricsFactory(
                team=team,
                scope=Scope.REPOSITORY,
                subject=f"repository:{row.pk}",
                repository=row,
                week=week,
                time_to_merge_hours_p90=None,
                time_to_merge_hours_median=1 / 3,
            )
    member = TeamMemberFactory(team=team, login="=alice")
    WeeklyMetricsFactory(
        team=team, scope=Scope.MEMBER, subject=f"member:{member.pk}", member=member
    )
    WeeklyMetricsFactory(team=team, week=date(2026, 2, 9))


def test_csv_by_repository(weeks):
    text = export("--by", "repository", "--format", "csv")
    assert text.splitlines()[0] == f"week,repository,{FIGURES}"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["repository"], row["week"]) for row in rows] == [
        (name, week)
        for name in ("acme/API", "acme/api", "acme/web")
        for week in ("2026-W01", "2026-W07")
    ]
    assert rows[0]["time_to_merge_hours_p90"] == ""
    assert float(rows[0]["time_to_merge_hours_median"]) == 1 / 3
    assert text.count("\n") == 7


def test_json_by_repository(weeks):
    rows = json.loads(export("--by", "repository", "--format", "json"))
    assert list(rows[0]) == ["week", "repository", *FIGURES.split(",")]
    assert rows[0]["time_to_merge_hours_p90"] is None
    assert rows[0]["time_to_merge_hours_median"] == 1 / 3


def test_team_and_member(weeks):
    assert export().splitlines() == [f"week,{FIGURES}", "2026-W07,5,4,5.0,9.0,20.0,3,0,0,0,0"]
    head, row = export("--all").splitlines()
    assert head == ",".join(["week", "week_start", *NAMES])
    assert row.startswith("2026-W07,2026-02-09,5,4,5.0,9.0,20.0,3,0,0,0,0,0,0,,,,0,")


def test_a_week_of_reviews_alone_is_among_all_figures_only(team):
    member = TeamMemberFactory(team=team, login="bob")
    WeeklyMetricsFactory(
        team=team,
        scope=Scope.MEMBER,
        subject=f"member:{member.pk}",
        member=member,
        opened=0,
        merged=0,
        reviewed=2,
    )
    assert len(export("--by", "member").splitlines()) == 1
    assert len(export("--by", "member", "--all").splitlines()) == 2


def test_members_have_names(weeks):
    assert json.loads(export("--by", "member", "--format", "json"))[0]["member"] == "=alice"


def test_a_team_without_weeks(team):
    assert export() == f"week,{FIGURES}\n"
    assert json.loads(export("--format", "json")) == []


def test_an_unknown_team(db):
    with pytest.raises(CommandError, match="no team with the slug 'acme'") as raised:
        export()
    assert raised.value.returncode == 64


@pytest.mark.parametrize("arguments", [["--team", "acme", "--by", "month"], []])
def test_bad_usage_ends_with_64(arguments):
    command = [sys.executable, "manage.py", "export_weekly", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64
    assert "usage" in done.stderr
    assert not done.stdout
