"""The product's settings with the benchmark's own pipeline; STATE_DIR and DEBUG come
from whoever measures.
"""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.lab"]
