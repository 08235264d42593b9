"""The first code of every process: choose the settings, and refuse to start on wrong
ones.
"""

import os
import sys

from django.conf import settings

from project.env import ConfigurationError
from project.state import unwritable

EX_CONFIG = 78  # the exit status that sysexits.h gives to a configuration error
# The files of these commands are for other users: the web server's, or a colleague's
# checkout.
PUBLIC_OUTPUT = {"collectstatic", "makemigrations"}

_is_prepared = False


def prepare() -> None:
    """Load the settings, and make new files private to this process's user.

    If the environment is wrong, print to stderr what to change, and end the process
    with EX_CONFIG. A file that can't be written is only reported: pages can still be
    read, and `/readyz` answers 503.
    """
    if not PUBLIC_OUTPUT.intersection(sys.argv[1:2]):
        # Databases, queue, and keys contain secrets that open accounts.
        os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        _ = settings.DEBUG
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(EX_CONFIG)
    global _is_prepared
    if not _is_prepared:
        for line in unwritable(settings.DATABASES["default"], settings.HUEY["connection"]):
            print(line, file=sys.stderr)
    _is_prepared = True
