"""`manage.py check_model`: ask the language model one question, and print what
works.
"""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from apps.commands import EX_USAGE, UsageCommand
from apps.metrics.llm import trial

EXIT = {"works": 0, "refused": 1, "broken": 1, "nonsense": 1, "waits": 2, "off": 3}


class Command(UsageCommand):
    help = (
        "Send two sample pull requests to the language model, and print which parameters its "
        "server accepts."
    )
    epilog = f"""Exit statuses:
  0    it works; the parameters that its server takes are remembered
  1    it is refused, gives no answer, or none that is usable
  2    a limit or a quota is reached
  3    no model is set up
  {EX_USAGE}   bad usage
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object instead of lines"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = trial.ask()
        status = EXIT[found.status]
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json | {"exit": status}))
        else:
            for name, value in found.lines:
                self.stdout.write(f"{name:<15} {value}")
            self.stdout.write(found.words)
        sys.exit(status)
