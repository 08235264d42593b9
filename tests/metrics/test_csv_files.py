"""What the product writes as CSV is read back as it was, and no text of it is a formula
in a spreadsheet.
"""

import csv
import io
import re
from datetime import date
from pathlib import Path

import pytest
from django.core.management import call_command

from apps.metrics.csv_files import neutralized, write_csv
from apps.metrics.factories import RepositoryFactory, TeamMemberFactory, WeeklyMetricsFactory
from apps.metrics.models import Scope

ROOT = Path(__file__).resolve().parent.parent.parent
HOSTILE = [
    "=1+1",
    "+1",
    "-1+2",
    "@SUM(A1)",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\ufe661",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\xa0=1",
    "\u200b=1",
    "\ufeff=1",
    "\u2060=1",
    "\x00=1",
    "x;=1+1",
    "x;\t\uff1d1",
    "x\n=1",
]


def read(text):
    return list(csv.reader(io.StringIO(text)))


def is_formula(cell):
    return (
        re.match(r"[\s\u200b\u2060\ufeff]*[=+@\uff1d\uff0b\uff0d\uff20\ufe66-]", cell)
        is not None
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula(text):
    for cell in (neutralized(text), *neutralized(text).split(";")):
        assert not is_formula(cell)
        assert not set(cell) & set("\r\n\t\0")


@pytest.mark.parametrize(
    "text", ["acme/api", "a=b", "1-2", "Zoë Müller 山田", "it's", 'a "quoted", name', ""]
)
def test_plain_text_stays_as_it_is(text):
    out = io.StringIO()
    write_csv(out, ["name"], [[text]])
    assert out.getvalue() == f"name\n{csv_line(text)}"


def csv_line(text):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([text])
    return out.getvalue()


def test_negative_numbers_stay_numbers():
    out = io.StringIO()
    write_csv(out, ["a", "b", "c"], [[-1, -0.5, None]])
    assert out.getvalue() == "a,b,c\n-1,-0.5,\n"


@pytest.fixture
def hostile_team(team):
    for number, name in enumerate(HOSTILE):
        name = name.replace("\0", "")
        repository = RepositoryFactory(team=team, full_name=name, external_id=f"x:{number}")
        row = {
            "repository": repository,
            "scope": Scope.REPOSITORY,
            "subject": f"repository:{repository.pk}",
        }
        WeeklyMetricsFactory(team=team, **row)
        member = TeamMemberFactory(team=team, login=name)
        WeeklyMetricsFactory(
            team=team, member=member, scope=Scope.MEMBER, subject=f"member:{member.pk}"
        )
    return team


@pytest.mark.parametrize("by", ["repository", "member"])
def test_the_command_and_the_download_write_the_same(hostile_team, visit, by):
    out = io.StringIO()
    call_command("export_weekly", "--team", hostile_team.slug, "--by", by, stdout=out)
    downloaded = visit("weekly_csv", by=by).text
    # Excel and LibreOffice read a file without the mark in the machine's own character
    # set.
    assert downloaded.startswith("\ufeff")
    downloaded = downloaded.removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(downloaded)))
    assert all(date.fromisoformat(row.pop("week_start")).weekday() == 0 for row in rows)
    assert rows == list(csv.DictReader(io.StringIO(out.getvalue())))
    names = [row[2] for row in read(downloaded)[1:]]
    assert len(names) == len(HOSTILE)
    assert not [name for name in names if any(is_formula(cell) for cell in name.split(";"))]


def test_only_one_module_writes_csv():
    users = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "apps").rglob("*.py")
        if re.search(r"^(?:import csv|from csv)\b", path.read_text(), re.MULTILINE)
    ]
    assert users == ["apps/metrics/csv_files.py"]
