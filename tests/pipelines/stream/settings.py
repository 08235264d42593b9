"""The settings of the tests' web processes: a renderer that a test can read."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.pipelines.stream"]
