"""The sources of this installation, a line for each."""

from apps.integrations.sources.base import register
from apps.integrations.sources.git.source import Git
from apps.integrations.sources.github.source import GitHub
from apps.integrations.sources.sample.source import Sample


def register_all() -> None:
    """Register the sources, in the order of the pages. Called once, when the app is
    ready.
    """
    register(GitHub())
    register(Sample())
    register(Git())
