"""What every process does first: choose the settings and refuse to start on bad ones."""

import os
import sys

from django.conf import settings

from project.env import ConfigurationError

EX_CONFIG = 78  # the exit status that sysexits.h gives to a configuration error
# What these commands write is for others to read: the web server's user, or a colleague's checkout.
PUBLIC_OUTPUT = {"collectstatic", "makemigrations"}


def prepare() -> None:
    """Load the settings, and make new files private to this process's user.

    If the environment is wrong, print what to change to stderr and end the process with
    EX_CONFIG.
    """
    if not PUBLIC_OUTPUT.intersection(sys.argv[1:2]):
        # Databases, queue, and keys hold what opens accounts.
        os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        _ = settings.DEBUG
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(EX_CONFIG)
