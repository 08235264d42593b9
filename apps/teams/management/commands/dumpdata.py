"""Django's dumpdata, reading through base managers: a dump means the rows of all
teams.
"""

from typing import Any

from django.core.management.commands.dumpdata import Command as DumpData


class Command(DumpData):
    def handle(self, *app_labels: Any, **options: Any) -> None:
        super().handle(*app_labels, **options | {"use_base_manager": True})
