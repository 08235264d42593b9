"""What every process does first: choose the settings and refuse to start on bad ones."""

import os
import sys

from django.conf import settings

from project.env import ConfigurationError

EX_CONFIG = 78  # the exit status that sysexits.h gives to a configuration error


def prepare() -> None:
    """Load the settings; where the environment is wrong, say what on stderr and end the process with EX_CONFIG."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        _ = settings.DEBUG
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(EX_CONFIG)
