"""Run it: servers, workers, faults, checks, report.

Exits with 0 if nothing was lost or doubled and at least `--floor` runs were reached,
otherwise with 1.
"""

import argparse
import contextlib
import faulthandler
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

LEASE = 3.0
MOST_RUNS = 5000


def main(arguments=None):
    options = parse(arguments)
    if options.start_for:
        options.runs = MOST_RUNS
        options.seconds = options.seconds or 60 + 2 * options.start_for
    options.seconds = options.seconds or 60 + 1.5 * options.runs
    # A pass that hangs says where, while whoever started it still listens.
    faulthandler.dump_traceback_later(options.seconds + 100, exit=True)
    with tempfile.TemporaryDirectory(
        prefix="firstlight-chaos-", ignore_cleanup_errors=True
    ) as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101 - PostgreSQL runs as another user
        with contextlib.ExitStack() as stack:
            return run(options, Path(folder), stack)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="how many runs (40)")
    parser.add_argument(
        "--seed", type=int, default=1, help="what decides on runs and faults (1)"
    )
    parser.add_argument(
        "--db",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="postgres comes with Redis",
    )
    parser.add_argument("--workers", type=int, default=3, help="worker processes (3)")
    parser.add_argument("--seconds", type=float, help="at most so long (60 and 1.5 a run)")
    parser.add_argument(
        "--start-for", type=float, help="start runs for so many seconds, however many that are"
    )
    parser.add_argument(
        "--floor", type=int, default=1, help="fail if fewer runs than this were reached (1)"
    )
    parser.add_argument(
        "--faults", nargs="+", help="only these (all that there are)", metavar="FAULT"
    )
    parser.add_argument(
        "--without",
        choices=["epochs", "fencing", "sweeper"],
        help="take a guard out, to see that it is missed",
    )
    options = parser.parse_args(arguments)
    if not 1 <= options.runs <= MOST_RUNS or not 1 <= options.workers <= 16:
        parser.error("--runs is 1 to 5000, --workers 1 to 16")
    return options


def run(options, folder, stack):
    from tests.chaos.servers import Mailbox, Postgres, Redis

    mailbox, redis, postgres = Mailbox(), None, None
    mailbox.start()
    stack.callback(mailbox.stop)
    environment = {
        "FIRSTLIGHT_TESTS": "1",
        "FIRSTLIGHT_DOTENV": "0",
        "DEBUG": "1",
        "STATE_DIR": str(folder / "state"),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PIPELINES_LEASE": str(LEASE),
        "EMAIL_URL": mailbox.url,
        "LAB_MAIL": "1",
        "LAB_MUTATION": f"no-{options.without}" if options.without else "",
    }
    if options.db == "postgres":
        for name in ("redis", "postgres"):
            (folder / name).mkdir()
        redis, postgres = Redis(folder / "redis"), Postgres(folder / "postgres")
        for server in (redis, postgres):
            server.start()
            stack.callback(server.stop)
        environment |= {"REDIS_URL": redis.url, "DATABASE_URL": postgres.url}
    os.environ |= environment
    import django
    from django.core.management import call_command

    django.setup()
    logging.disable(logging.ERROR)  # servers that go away are the matter here
    call_command("migrate", verbosity=0, run_syncdb=True)
    return drive(options, folder, stack, mailbox, redis, postgres)


def drive(options, folder, stack, mailbox, redis, postgres):
    from tests.chaos import plans
    from tests.chaos.crew import Workers
    from tests.chaos.driver import FAULTS, Driver

    log = stack.enter_context((folder / "workers.log").open("ab"))
    crew = Workers(options.workers, log)
    stack.callback(crew.end)
    chance = random.Random(options.seed)
    planned = plans.make(options.runs, chance, folder)
    driver = Driver(planned, crew, chance, LEASE, options.faults or FAULTS, redis, postgres)
    began = time.monotonic()
    driver.go(options.seconds, options.start_for)
    took = time.monotonic() - began
    wait_for_mail(crew)
    status = report(options, planned, driver, mailbox, took)
    if status and (kept := os.environ.get("CHAOS_LOG")):
        Path(kept).write_bytes((folder / "workers.log").read_bytes())
    return status


def wait_for_mail(crew, seconds=60.0):
    """Until the outbox is empty, with workers that nobody hurts any more."""
    from apps.mail.models import OutboxMessage

    until = time.monotonic() + seconds
    while time.monotonic() < until and OutboxMessage.objects.exclude(state="sent").exists():
        crew.tend()
        time.sleep(0.1)


def report(options, planned, driver, mailbox, took):
    from apps.pipelines.models import Run
    from tests.chaos import checks
    from tests.pipelines.lab.models import Effect

    found = [
        (kind, f"run {plan.number} ({plan.kind}): {words}")
        for plan in planned
        if plan.run
        for kind, words in checks.check(plan)
    ]
    mail_findings, repeats = checks.mails(planned, mailbox.accepted)
    found += mail_findings + [
        ("lost", f"run {plan.number} was never started") for plan in planned if not plan.run
    ]
    states = Counter(Run.objects.values_list("state", flat=True))
    if len(planned) < options.floor:
        found.append(
            ("too few", f"{len(planned)} runs were reached, the floor is {options.floor}")
        )
    print(
        f"{len(planned)} runs on {options.db}, seed {options.seed}, {took:.0f} s: {listed(states)}"
    )
    print(f"faults: {listed(driver.done)}")
    print(
        f"effects: {Effect.objects.count()}; mails accepted: {sum(mailbox.accepted.values())}, repeats: {repeats}"
    )
    for kind, count in sorted(Counter(kind for kind, _ in found).items()):
        print(f"FOUND {kind}: {count}")
    for kind, words in found[:20]:
        print(f"  {kind}: {words}")
    if not found:
        print("Everything held.")
    return 1 if found else 0


def listed(counts):
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


if __name__ == "__main__":
    sys.exit(main())
