"""`manage.py sandbox`: a simulated GitHub on this machine, for the demo, tests, and
benchmarks.
"""

import argparse
import socket
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from apps.commands import UsageCommand, end_with_stdin


class Command(UsageCommand):
    help = "Serve a stand-in for GitHub (GraphQL and REST) from pull request files or a generated organization."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--data",
            type=Path,
            help="folder of OWNER__REPO.jsonl files; without it an organization is generated",
        )
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--port", type=int, default=8010, help="0 takes a free one (default: 8010)"
        )
        parser.add_argument(
            "--fd", type=int, help="take over this listening socket instead of opening one"
        )
        parser.add_argument(
            "--end-with-stdin", action="store_true", help="end when stdin closes"
        )
        parser.add_argument(
            "--pace",
            type=float,
            default=0.0,
            help="seconds that every answer takes longer (default: 0)",
        )
        parser.add_argument(
            "--every",
            type=float,
            default=0.0,
            help="seconds between two answers, at least (default: 0)",
        )
        parser.add_argument(
            "--points",
            type=int,
            default=5000,
            help="rate limit points of a token in an hour (default: 5000)",
        )
        parser.add_argument(
            "--timing",
            type=float,
            metavar="SHARE",
            help="answer as slowly as GitHub does, times this, and refuse over 60 seconds of work in a minute",
        )
        parser.add_argument(
            "--llm-timing",
            type=float,
            default=0.0,
            metavar="SHARE",
            help="the language model answers as slowly as a real one, times this",
        )
        parser.add_argument(
            "--llm-requests", type=int, default=1_000_000, help="its requests a minute"
        )
        parser.add_argument(
            "--llm-tokens", type=int, default=100_000_000, help="its tokens a minute"
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=7,
            help="seed of the generated organization (default: 7)",
        )
        parser.add_argument(
            "--now",
            type=date.fromisoformat,
            help="last day of the generated history (default: today)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The sandbox stands in for GitHub in development and tests. It runs only with DEBUG=1."
            )
        if options["end_with_stdin"]:
            end_with_stdin()
        # Only the sandbox needs graphql-core and uvicorn's server, which a production
        # install does not bring.
        from apps.sandbox import files, llm, organization, schema, server, timing
        from apps.sandbox.execution import Executor

        try:
            if options["data"] is not None:
                world = files.load(options["data"])
            else:
                world = organization.generate(
                    options["seed"], options["now"] or datetime.now(UTC).date()
                )
            executor = Executor(schema.load_schema(), world)
            limits = {name: options[name] for name in ("pace", "every", "points")}
            share = options["timing"]
            slowness = None if share is None else timing.Timing(share)
            model = llm.Model(
                options["llm_timing"], options["llm_requests"], options["llm_tokens"]
            )
            sandbox = server.Sandbox(executor, **limits, timing=slowness, model=model)
            server.run(sandbox, self.listener(options))
        except (files.BadData, schema.SchemaMissing) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"Port {options['port']} of {options['host']} cannot be used: {error.strerror}."
            ) from error

    def listener(self, options: dict[str, Any]) -> socket.socket:
        if options["fd"] is not None:
            return socket.socket(fileno=options["fd"])
        return socket.create_server((options["host"], options["port"]), backlog=128)
