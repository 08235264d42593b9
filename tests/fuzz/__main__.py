"""`python -m tests.fuzz`: prepare an installation, send requests, report.

Exit status 1 if anything was found.
"""

import argparse
import base64
import contextlib
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests import services

ROOT = Path(__file__).resolve().parents[2]
PER_SECOND_FLOOR = 2
REPAIR_EVERY = 300
MAX_FOUND = 20


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, help="how many requests to send")
    parser.add_argument(
        "--seconds", type=float, help="for how long to send requests instead (60)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--db", choices=("sqlite", "postgres"), default="sqlite", help="postgres: with Redis"
    )
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        state = stack.enter_context(tempfile.TemporaryDirectory(prefix="firstlight-fuzz-"))
        port = services.free_port()
        os.environ |= environment(state, port)
        if options.db == "postgres":
            os.environ["DATABASE_URL"] = stack.enter_context(services.postgres_server())
            os.environ["REDIS_URL"] = stack.enter_context(services.redis_server())
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True)
        log = Path(state, "web.log")
        stack.enter_context(web_process(port, log))
        sys.exit(1 if run(options, port, log) else 0)


def environment(state, port):
    return {
        "FIRSTLIGHT_DOTENV": "0",
        "DJANGO_SETTINGS_MODULE": "tests.fuzz.settings",
        "DEBUG": "0",
        "STATE_DIR": state,
        "SECRET_KEY": secrets.token_urlsafe(60),
        "CREDENTIAL_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "ALLOWED_HOSTS": "127.0.0.1",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "EMAIL_URL": "console:",
        "ADMINS": "ops@fuzz.example",
        "DEFAULT_FROM_EMAIL": "hello@fuzz.example",
        "SIGN_UP": "open",
        "DATABASE_URL": "",
        "REDIS_URL": "",
    }


@contextlib.contextmanager
def web_process(port, log):
    command = [sys.executable, "-W", "ignore", "-m", "project.server", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=file, stdin=subprocess.DEVNULL
        )
    try:
        wait_for(port, process, log)
        yield
        if process.poll() is not None:
            print(f"The web process ended with {process.returncode}.")
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port, process, log):
    import socket

    for _ in range(600):
        if process.poll() is not None:
            sys.exit(log.read_text())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit("The web process did not start.")


def run(options, port, log):
    """Send the requests; return how many faults were found."""
    import django

    django.setup()
    from apps.mail.models import OutboxMessage
    from tests.fuzz import world
    from tests.fuzz.attempts import Attempts
    from tests.fuzz.sending import SLOW, Sender

    attempts = Attempts(random.Random(options.seed), *world.build())
    sender = Sender(port)
    reached, statuses, found = Counter(), Counter(), []
    seconds = options.seconds or (None if options.requests else 60.0)
    began = time.monotonic()
    number = 0
    while (
        (number < options.requests)
        if options.requests
        else (time.monotonic() - began < seconds)
    ):
        if number % REPAIR_EVERY == REPAIR_EVERY - 1:
            world.repair()
            sender.forget_sessions()
        attempt = attempts.next(number)
        number += 1
        position = log.stat().st_size
        answer = sender.send(attempt)
        reached[attempt.name] += 1
        statuses[answer.status] += 1
        if answer.is_failure:
            attempt = sender.minimized(attempt, lambda again: again.is_failure)
        elif answer.seconds <= SLOW or sender.is_fast_again(attempt):
            continue
        found.append(attempt)
        print(
            f"{answer.status} {answer.reason} {answer.seconds:.1f} s: {str(attempt)[:1500]}",
            flush=True,
        )
        time.sleep(0.2)
        with log.open("rb") as file:
            file.seek(position)
            print(file.read(6000).decode("utf-8", "replace")[-3000:], flush=True)
        if len(found) >= MAX_FOUND:
            break
    mails = OutboxMessage.objects.filter(recipient=world.OPERATOR).count()
    took = time.monotonic() - began
    floor = options.requests or int(PER_SECOND_FLOOR * seconds)
    least = (
        min(reached[address.name] for address in attempts.addresses)
        if number >= len(attempts.addresses)
        else 0
    )
    print(
        f"{number} requests in {took:.0f} s over {len(reached)} addresses, each at least {least} times; floor {floor}"
    )
    print("by status:", dict(sorted(statuses.items())))
    print("most and least reached:", reached.most_common(3), reached.most_common()[-3:])
    print(f"found: {len(found)}, emails to operators: {mails}")
    return len(found) + mails + (number < floor and len(found) < MAX_FOUND)


if __name__ == "__main__":
    main()
