"""The main job, from an empty folder to the first insight, on the embedded default: SQLite for rows and messages.

Starts a sandbox of GitHub and a worker, onboards a team over them, shows each step, then the latest weeks and findings.

    make demo                          a made-up organisation
    make demo DATA=../shared/sample    pull request files, served by the sandbox
    make demo REPO=/path/to/clone      a git clone; no sandbox
    FRESH=1 starts over; PACE=0.5 lets every answer of the sandbox take half a second longer; MONTHS=24 goes further back
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from processes import end

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".state" / "demo"
MANAGE = [sys.executable, str(ROOT / "manage.py")]
TOKEN = "demo"
WEEKS = 8
# Nothing of the caller's own set-up may leak into a demo.
OWN = ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "CREDENTIAL_KEYS", "GITHUB_TOKEN",
       "GITHUB_API_URL", "GROQ_API_KEY", "LLM_BASE_URL", "SITE_URL", "ADMINS", "GIT_SOURCE_ROOT")  # fmt: skip


class Mistake(Exception):
    """Something given to the demo can't be used; the message says what."""


def main() -> int:
    sys.path.insert(0, str(ROOT))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    children: list[subprocess.Popen] = []
    try:
        prepare()
        team, arguments = source(children)
        children.append(worker())
        return onboard(team, arguments)
    except Mistake as mistake:
        print(f"make demo: {mistake}", file=sys.stderr)
        return 64
    except KeyboardInterrupt:
        return 130
    finally:
        end(children)


def prepare() -> None:
    """A state folder of the demo's own, with its tables."""
    if os.environ.get("FRESH") not in (None, "", "0"):
        shutil.rmtree(STATE, ignore_errors=True)
    for name in OWN:
        os.environ.pop(name, None)
    os.environ |= {"DEBUG": "1", "STATE_DIR": str(STATE), "FIRSTLIGHT_DOTENV": "0"}
    if not os.environ.get("PORT"):
        os.environ.pop("PORT", None)
    STATE.mkdir(parents=True, exist_ok=True)
    subprocess.run([*MANAGE, "migrate", "--verbosity", "0"], cwd=ROOT, check=True)


def source(children: list[subprocess.Popen]) -> tuple[str, list[str]]:
    """What to onboard: the team's name, and the arguments of `onboard` that name its source."""
    months = os.environ.get("MONTHS", "")
    if repo := os.environ.get("REPO"):
        path = Path(repo).expanduser().resolve()
        if not path.is_dir():
            raise Mistake(f"REPO={repo}: there is no such folder. Give the path of a git clone.")
        os.environ["GIT_SOURCE_ROOT"] = str(path.parent)
        return path.name, ["--source", "git", "--repos", str(path), "--months", months or "24"]
    data = os.environ.get("DATA")
    address = sandbox(data, children)
    os.environ |= {"GITHUB_API_URL": address, "GITHUB_TOKEN": TOKEN}
    team = Path(data).resolve().name.capitalize() if data else "Acme Engineering"
    return team, ["--repos", ",".join(names(address)), "--months", months or ("24" if data else "12")]


def sandbox(data: str | None, children: list[subprocess.Popen]) -> str:
    """Start the sandbox on a free port and return its address."""
    command = [*MANAGE, "sandbox", "--port", "0", "--pace", os.environ.get("PACE") or "0"]
    if data:
        folder = Path(data).expanduser().resolve()
        if not any(folder.glob("*.jsonl")):
            raise Mistake(f"DATA={data}: there is no OWNER__REPO.jsonl in it. Give a folder of pull request files.")
        command += ["--data", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    children.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("sandbox: "):
        raise Mistake("the sandbox did not start; its words are above.")
    return line.removeprefix("sandbox: ").strip()


def names(address: str) -> list[str]:
    """All repositories that the sandbox has, by its REST."""
    found: list[str] = []
    page = 1
    while True:
        request = urllib.request.Request(
            f"{address}/user/repos?per_page=100&page={page}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            rows = json.load(response)
        found += [row["full_name"] for row in rows]
        if len(rows) < 100:
            return found
        page += 1


def worker() -> subprocess.Popen:
    with (STATE / "worker.log").open("ab") as log:
        return subprocess.Popen([*MANAGE, "run_worker"], cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def onboard(team: str, arguments: list[str]) -> int:
    command = [*MANAGE, "onboard", "--team", team, "--email", "lead@example.com", "--json", *arguments]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if not result.stdout.strip():
        return result.returncode
    show(json.loads(result.stdout.splitlines()[-1]))
    return 0 if result.returncode in (0, 2) else result.returncode


def show(summary: dict) -> None:
    """What came of it: totals, the latest weeks, the findings."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    from rich.console import Console
    from rich.table import Table

    from apps.metrics.export import weekly_rows
    from apps.metrics.models import Scope
    from apps.onboarding.services.summary import top_insights
    from apps.teams.models import Team

    team = Team.objects.get(slug=summary["team"])
    console = Console()
    totals = "  ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in summary["totals"].items())
    console.print(f"\n[bold]{team.name}[/bold]: {summary['state']}\n{totals}\n", highlight=False)
    table = Table(title=f"The latest {WEEKS} weeks")
    for heading in ("week", "opened", "merged", "hours to merge, median", "p75", "authors", "AI-assisted", "reviews"):
        table.add_column(heading, justify="left" if heading == "week" else "right")
    for row in list(weekly_rows(team.pk, Scope.TEAM))[-WEEKS:]:
        hours = (row["time_to_merge_hours_median"], row["time_to_merge_hours_p75"])
        spans = ["–" if value is None else f"{value:.1f}" for value in hours]
        counts = [str(row[key]) for key in ("authors", "ai_assisted", "reviews")]
        table.add_row(row["week"], str(row["opened"]), str(row["merged"]), *spans, *counts)
    console.print(table)
    for number, insight in enumerate(top_insights(team), 1):
        console.print(f"{number}. [bold]{insight.title}[/bold]", highlight=False)
        console.print(f"   {insight.body} {insight.advice}".rstrip(), highlight=False)
    console.print(
        f"\nIts page, with `make dev` and STATE_DIR={STATE}: {summary['url']}", highlight=False, soft_wrap=True
    )


if __name__ == "__main__":
    sys.exit(main())
