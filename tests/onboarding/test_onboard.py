"""`manage.py onboard` as a process: what it prints, where, and how it ends."""

import json
import os
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import execute_from_command_line

from apps.integrations.models import Credential, TrackedRepository
from apps.mail.models import OutboxMessage
from apps.metrics.models import PullRequest
from apps.onboarding.following import WITHOUT_DIGITS
from apps.pipelines.models import Run, StepRun
from apps.pipelines.worker.health import live_workers
from apps.teams.models import Team
from apps.teams.services import create_team
from apps.users.models import User
from tests.fixtures.workers import ended, eventually
from tests.integrations import git_histories
from tests.integrations.git.conftest import Builder
from tests.onboarding.conftest import REPOSITORIES, the_run
from tests.services import free_port

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = [
    "run",
    "team",
    "url",
    "state",
    "status",
    "steps",
    "totals",
    "exit",
    "reasons",
    "missing",
]
STEPS = ["sync", "analyse", "metrics", "insights", "notify"]


def test_done_with_its_own_worker(manage):
    result = manage.onboard("--worker", "--months", 12)
    run, team = Run.objects.get(), Team.objects.get()
    assert result.status == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    summary = result.summary
    assert list(summary) == KEYS
    assert (summary["exit"], summary["reasons"], summary["missing"]) == (0, [], [])
    assert summary["run"] == str(run.pk)
    assert summary["team"] == team.slug == "acme"
    assert summary["url"].endswith(f"/t/acme/onboarding/runs/{run.pk}/")
    assert summary["state"] == "done"
    assert [(step["key"], step["state"]) for step in summary["steps"]] == list(
        zip(STEPS, ["done", "skipped", "done", "done", "done"], strict=True)
    )
    assert all(
        list(step) == ["key", "state", "attempts", "seconds"] for step in summary["steps"]
    )
    assert all(step["attempts"] >= 1 and step["seconds"] > 0 for step in summary["steps"])
    assert summary["totals"] == {
        "repositories": 2,
        "pull_requests": 20,
        "reviews": 20,
        "commits": 20,
        "ai_assisted": 4 + 2,
    }
    assert "Setting up the team started." in result.stderr
    assert "100 %  Done." in result.stderr
    each_line_has_the_percentage_of_its_event(result)
    eventually(lambda: not live_workers())
    assert team.memberships.get().role == "owner"
    welcome = OutboxMessage.objects.get(dedupe_key__contains="welcome")
    assert (
        "home" in welcome.text
    )  # the run goes on already: not to the page that sets a team up


def each_line_has_the_percentage_of_its_event(result):
    lines = [line for line in result.stderr.splitlines() if " %  " in line]
    percents = [int(line.split()[1]) for line in lines]
    assert percents[0] == 0
    assert percents == sorted(percents)
    assert percents[-1] == 100
    reading = next(line for line in lines if "Reading 2 repositories" in line)
    assert int(reading.split()[1]) < 70


def test_with_a_running_worker_and_without_json(manage, workers):
    workers.start(GITHUB_API_URL=manage.env["GITHUB_API_URL"])
    result = manage(
        "onboard", "--team", "Acme", "--email", "mara@acme.example", "--repos", "acme/api"
    )
    assert result.status == 0, result.stderr
    assert result.stdout.strip().endswith(f"/t/acme/onboarding/runs/{Run.objects.get().pk}/")


def test_a_missing_repository_makes_it_partial(manage):
    result = manage.onboard("--worker", repos="acme/api,acme/nope")
    assert result.status == 2
    assert result.summary["state"] == "partial"
    assert result.summary["steps"][0]["state"] == "partial"
    assert result.summary["totals"]["repositories"] == 1
    assert "acme/nope: " in result.stderr
    assert Run.objects.get().missing[0]["what"] == "acme/nope"
    assert result.summary["exit"] == 2
    assert [gap["what"] for gap in result.summary["missing"]] == ["acme/nope"]


def test_one_cause_of_several_repositories_is_stated_once(manage):
    result = manage.onboard("--worker", repos="acme/nope,acme/none,acme/nothing")
    assert result.status == 1
    assert result.summary["status"]["cause"] == "not_found"
    [reason] = result.summary["reasons"]
    sentences = [sentence for sentence in reason.split(". ") if sentence]
    assert len(sentences) == len(set(sentences))
    assert not [name for name in ("acme/nope", "acme/none", "acme/nothing") if name in reason]
    result = manage.onboard("--worker", repos="acme/api,acme/nope,acme/none")
    assert result.status == 2
    [gap] = result.summary["status"]["missing"]
    assert sorted(gap["what"]) == ["acme/none", "acme/nope"]


@pytest.mark.long
def test_a_repository_named_twice_is_read_once(manage):
    result = manage.onboard("--worker", repos="acme/api, acme/api,ACME/API")
    assert result.status == 0
    assert TrackedRepository.objects.across_teams().count() == 1
    assert result.summary["totals"]["pull_requests"] == REPOSITORIES["acme/api"]


def test_bad_token_is_refused_before_anything_is_created(manage):
    result = manage.onboard("--worker", "--token", "bad-token")
    assert result.status == 1
    assert list(result.summary) == KEYS
    assert (result.summary["run"], result.summary["state"], result.summary["exit"]) == (
        None,
        None,
        1,
    )
    assert "GitHub does not accept the token" in result.summary["reasons"][0]
    assert "Error: GitHub does not accept the token" in result.stderr
    assert "bad-token" not in result.stdout + result.stderr
    assert not Run.objects.exists()
    assert not Team.objects.exists()
    assert not User.objects.exists()
    assert not Credential.objects.across_teams().exists()


@pytest.mark.long
def test_an_unreachable_github_is_tried_again_then_fails(manage):
    process = manage.start(
        "onboard",
        "--team",
        "Acme",
        "--email",
        "mara@acme.example",
        "--repos",
        "acme/api",
        "--json",
        "--worker",
        GITHUB_API_URL=f"http://127.0.0.1:{free_port()}",
    )
    run = the_run()
    step = run.steps.get(key="sync")
    waits = [step.backoff_seconds * 2**failure for failure in range(step.max_failures)]
    assert 60 <= sum(waits) <= 120
    StepRun.objects.filter(run=run).update(backoff_seconds=0.01)
    result = manage.wait(process)
    assert result.status == 1
    assert result.summary["steps"][0]["attempts"] == step.max_failures + 1
    assert "GitHub could not be reached at 127.0.0.1" in result.stderr
    assert "Check the network" in result.stderr
    assert result.summary["reasons"]
    lines = [
        line.partition(" %  ")[2].translate(WITHOUT_DIGITS)
        for line in result.stderr.splitlines()
        if " %  " in line
    ]
    assert all(first != second for first, second in pairwise(lines)), lines


@pytest.mark.long
def test_cancelled_from_elsewhere(manage, github):
    github.faults(
        {"rate_limit": "primary", "reset_in": 600}
    )  # so it is under way however long the other command takes
    process = manage.start(
        "onboard",
        "--team",
        "Acme",
        "--email",
        "mara@acme.example",
        "--repos",
        "acme/api",
        "--json",
        "--worker",
    )
    run = the_run()
    eventually(lambda: run.steps.filter(state="parked").exists())
    cancelled = manage("run", "cancel", run.pk)
    assert cancelled.status == 0
    assert cancelled.stdout.startswith(f"Run {run.pk} is canceled")
    result = manage.wait(process)
    assert result.status == 3
    assert result.summary["state"] == "cancelled"
    assert {step["state"] for step in result.summary["steps"]} == {"cancelled"}
    assert not OutboxMessage.objects.exclude(dedupe_key__contains="welcome").exists()


BASE = ["--team", "Acme", "--email", "mara@acme.example", "--repos", "acme/api"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([*BASE, "--months", "0"], "--months must be 1 to 600"),
        ([*BASE, "--months", "601"], "--months must be 1 to 600"),
        ([*BASE, "--months", "many"], "invalid int value"),
        (["--team", "Acme", "--email", "mara", "--repos", "acme/api"], "--email"),
        (
            ["--team", "Acme", "--email", "mara@acme.example", "--repos", " , "],
            "names no repository",
        ),
        (
            ["--team", "Acme", "--email", "mara@acme.example", "--repos", "acme"],
            "owner/name",
        ),
        (
            ["--team", "Acme", "--email", "mara@acme.example", "--repos", "acme/api,a b/c"],
            "owner/name",
        ),
        (
            ["--team", " ", "--email", "mara@acme.example", "--repos", "acme/api"],
            "--team needs a name",
        ),
        (
            ["--team", "Acme\nBcc: x", "--email", "mara@acme.example", "--repos", "acme/api"],
            "--team needs a name",
        ),
        (
            ["--team", "A" * 121, "--email", "mara@acme.example", "--repos", "acme/api"],
            "--team needs a name",
        ),
        ([*BASE, "--token", " "], "No GitHub token"),
        ([*BASE, "--colour"], "unrecognized arguments"),
        ([*BASE, "--source", "svn"], "invalid choice"),
        ([*BASE, "--source", "git"], "GIT_SOURCE_ROOT"),
        (
            ["--team", "Acme", "--repos", "acme/api"],
            "the following arguments are required: --email",
        ),
    ],
)
def test_bad_usage(transactional_db, settings, capsys, args, words):
    """As manage.py runs it, but in this process, which is started already."""
    settings.GITHUB_TOKEN = "t"
    with pytest.raises(SystemExit) as leaving:
        execute_from_command_line(["manage.py", "onboard", *args])
    assert leaving.value.code == 64
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
    assert not Run.objects.exists()
    assert not Team.objects.exists()


@pytest.mark.parametrize(
    "args", [[*BASE, "--months", "0"], [*BASE, "--colour"], ["--team", "Acme"]]
)
def test_bad_usage_ends_with_an_object_too(transactional_db, settings, capsys, args):
    settings.GITHUB_TOKEN = "t"
    with pytest.raises(SystemExit) as leaving:
        execute_from_command_line(["manage.py", "onboard", *args, "--json"])
    assert leaving.value.code == 64
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(summary) == KEYS
    assert (summary["run"], summary["state"], summary["exit"], summary["missing"]) == (
        None,
        None,
        64,
        [],
    )


def test_help_names_the_exit_statuses(capsys):
    execute_from_command_line(["manage.py", "onboard", "--help"])
    shown = capsys.readouterr().out
    for status in (0, 1, 2, 3, 4, 64, 130):
        assert f"\n  {status:<4} " in shown


@pytest.mark.long
def test_closed_pipe_is_no_traceback(manage):
    reader, writer = os.pipe()
    os.close(reader)
    process = manage.start("onboard", "--team", "Acme", "--json", stdout=writer)
    os.close(writer)
    result = manage.wait(process)
    assert result.status == 141
    assert "Traceback" not in result.stderr
    assert "BrokenPipeError" not in result.stderr


def test_without_a_token(manage):
    result = manage("onboard", *BASE, GITHUB_TOKEN=None)
    assert (result.status, result.stdout) == (64, "")
    assert "No GitHub token" in result.stderr


def test_somebody_elses_team_is_refused(manage):
    create_team("Acme", User.objects.create_user("teo@acme.example"))
    result = manage.onboard()
    assert result.status == 64
    assert "mara@acme.example is not a member of it" in result.stderr
    assert Team.objects.count() == 1
    assert not Credential.objects.across_teams().exists()


@pytest.mark.long
def test_a_second_start_joins_the_first(manage, github, workers):
    github.slow(0.3)
    first = manage.start("onboard", *BASE, "--json")
    run = the_run()
    second = manage.start("onboard", *BASE[:-1], "acme/api,acme/web", "--json")
    eventually(lambda: TrackedRepository.objects.across_teams().count() == 2)
    workers.start(GITHUB_API_URL=github.url)
    results = [manage.wait(first), manage.wait(second)]
    assert [result.status for result in results] == [0, 0]
    assert {result.summary["run"] for result in results} == {str(run.pk)}
    assert Run.objects.count() == 1
    assert "already in progress" in results[1].stderr
    assert "It does not read acme/web: start again when it has ended." in results[1].stderr


@pytest.mark.long  # no worker for 30 s
def test_no_worker(manage):
    result = manage("onboard", *BASE, "--json", seconds=90)
    assert result.status == 4
    assert "No worker for the queue sync for 30 s." in result.stderr
    run = Run.objects.get()
    assert run.is_live
    assert (result.summary["run"], result.summary["exit"]) == (str(run.pk), 4)
    assert "No worker" in result.summary["reasons"][0]


def own_workers(process):
    """The pids of a command's worker."""
    tasks = Path(f"/proc/{process.pid}/task")
    return [
        int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()
    ]


def gone(pid):
    """Whether a process has ended; one whose parent was killed may wait for its new
    parent to notice.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.long),
    ],
)
def test_a_signal_ends_the_command_and_its_worker_but_not_the_run(
    manage, github, workers, number, status
):
    github.slow(0.5)
    process = manage.start("onboard", *BASE, "--json", "--worker")
    eventually(lambda: StepRun.objects.filter(state="running").exists())
    (worker,) = own_workers(process)
    process.send_signal(number)
    result = manage.wait(process, 30)
    assert result.status == status
    eventually(lambda: gone(worker))
    run = Run.objects.get()
    assert run.is_live
    if number != signal.SIGKILL:
        assert (result.summary["run"], result.summary["exit"]) == (str(run.pk), status)
    if number == signal.SIGINT:
        assert f"manage.py run cancel {run.pk}" in result.stderr
    github.faults()
    workers.start(GITHUB_API_URL=github.url)
    eventually(ended(run), seconds=40)
    assert run.state == "done"
    assert PullRequest.objects.for_team(Team.objects.get()).count() == REPOSITORIES["acme/api"]


def git(*args, cwd):
    who = {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@acme.example",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@acme.example",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    subprocess.run(
        ["git", *args], cwd=cwd, check=True, capture_output=True, env={**os.environ, **who}
    )


@pytest.fixture
def clone(tmp_path):
    """A clone with one squashed pull request and one merged one, below a root of its
    own.
    """
    path = tmp_path / "root" / "api"
    path.mkdir(parents=True)
    git("init", "-b", "main", cwd=path)
    git("commit", "--allow-empty", "-m", "Begin", cwd=path)
    git("commit", "--allow-empty", "-m", "Add a door (#1)", cwd=path)
    git("checkout", "-b", "window", cwd=path)
    (path / "window").write_text("glass\n")
    git("add", "window", cwd=path)
    git(
        "commit",
        "-m",
        "Add a window\n\nCo-authored-by: Claude <noreply@anthropic.com>",
        cwd=path,
    )
    git("checkout", "main", cwd=path)
    git("merge", "--no-ff", "-m", "Merge pull request #2 from acme/window", "window", cwd=path)
    return path


def test_a_local_clone(manage, clone):
    result = manage.onboard(
        "--worker", "--source", "git", repos=str(clone), GIT_SOURCE_ROOT=clone.parent
    )
    assert result.status == 0, result.stderr
    assert result.summary["totals"]["repositories"] == 1
    assert result.summary["totals"]["pull_requests"] == 2
    assert result.summary["totals"]["ai_assisted"] == 1


@pytest.mark.long
def test_a_path_outside_the_root(manage, clone, tmp_path):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    git("init", "-b", "main", cwd=outside)
    git("commit", "--allow-empty", "-m", "Add a secret (#1)", cwd=outside)
    both = f"{clone},{outside}"
    result = manage.onboard(
        "--worker", "--source", "git", repos=both, GIT_SOURCE_ROOT=clone.parent
    )
    assert result.status == 2
    assert result.summary["totals"]["pull_requests"] == 2
    assert Run.objects.get().missing[0]["what"] == str(outside)
    assert "out of the folder" in Run.objects.get().missing[0]["why"]
    alone = manage.onboard(
        "--worker", "--source", "git", repos=str(outside), GIT_SOURCE_ROOT=clone.parent
    )
    assert alone.status == 1
    assert "out of the folder" in alone.stderr
    # What can't be read at all starts nothing.
    assert alone.summary["run"] is None
    assert Run.objects.count() == 1
    assert (
        PullRequest.objects.for_team(Team.objects.get()).filter(kind="pull_request").count()
        == 2
    )


def test_one_cause_of_several_clones_is_stated_once(manage, tmp_path):
    for name in ("good", "torn", "ripped"):
        clone = Builder(tmp_path / name)
        git_histories.begin(clone)
        if name != "good":
            damage(clone)
    result = manage.onboard(
        "--worker", "--source", "git", repos="good,torn,ripped", GIT_SOURCE_ROOT=tmp_path
    )
    assert result.status == 2
    [gap] = result.summary["status"]["missing"]
    assert sorted(gap["what"]) == ["ripped", "torn"]
    assert "torn" not in gap["reason"]
    assert "ripped" not in gap["reason"]
    assert result.summary["reasons"] == [gap["reason"]]
    # A program that goes on from here has each repository with its own reason.
    assert sorted(each["what"] for each in result.summary["missing"]) == ["ripped", "torn"]
    mail = OutboxMessage.objects.get(dedupe_key__contains="complete")
    assert mail.text.count(gap["reason"]) == 1


def damage(clone):
    """Delete a commit in the middle of the trunk."""
    commit = clone.git("rev-parse", "main~3")
    (clone.path / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
