"""The main job over real input:

`onboard` and `export_weekly` as processes, their figures against the truth.
"""

import csv
import io
import subprocess

import pytest

from apps.metrics.models import PullRequest
from tests.fixtures.workers import ROOT
from tests.metrics import sample
from tests.metrics.test_sample import check
from tests.onboarding.conftest import Commands
from tests.sandbox.server import start_sandbox

pytestmark = pytest.mark.django_db(transaction=True)

FIGURES = (
    "opened,merged,time_to_merge_hours_median,time_to_merge_hours_p75,time_to_merge_hours_p90,"
    "authors,ai_assisted,additions,deletions,reviews"
)


@pytest.fixture
def manage(queue):
    commands = Commands(GITHUB_TOKEN="t")
    yield commands
    commands.end()


def numbers(row):
    """A row of the CSV as the figures that it holds: counts as int, hours as float or
    None.
    """
    return {
        name: (float(text) if text else None)
        if "hours" in name
        else text
        if name in ("week", "repository")
        else int(text)
        for name, text in row.items()
    }


@sample.needs_sample
def test_the_sample_gives_the_figures_of_the_truth(manage):
    truth = sample.truth()["repositories"]
    with start_sandbox(data=sample.SAMPLE) as url:
        result = manage.onboard(
            "--worker", "--months", 24, repos=",".join(truth), GITHUB_API_URL=url, seconds=120
        )
    assert result.status == 0, result.stderr
    assert result.summary["state"] == "done"
    assert result.summary["totals"]["pull_requests"] == 596
    exported = manage(
        "export_weekly", "--team", "acme", "--by", "repository", "--format", "csv"
    )
    assert exported.status == 0, exported.stderr
    assert exported.stdout.splitlines()[0] == f"week,repository,{FIGURES}"
    rows = {
        (row["repository"], row["week"]): numbers(row)
        for row in csv.DictReader(io.StringIO(exported.stdout))
    }
    expected = {
        (name, week): row
        for name, facts in truth.items()
        for week, row in facts["weeks"].items()
    }
    assert rows.keys() == expected.keys()
    for place, figures in expected.items():
        check(rows[place], figures)


def test_the_project_reads_itself(manage):
    if (
        subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False
        ).returncode
        != 0
    ):
        pytest.skip("this copy of the project is no git repository")
    result = manage.onboard(
        "--worker", "--source", "git", repos=str(ROOT), GIT_SOURCE_ROOT=ROOT.parent
    )
    # A shallow clone, as continuous integration makes it, is read as far as it goes.
    shallow = (ROOT / ".git" / "shallow").exists()
    assert result.status == (2 if shallow else 0), result.stderr
    assert PullRequest.objects.across_teams().exists()
