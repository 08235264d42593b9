from apps.integrations.sources.errors import SourceError
from apps.pipelines.remedy import Remedy


class Unreadable(SourceError):
    """A file that is no list of pull requests."""

    cause = "folder_unreadable"
    remedy = Remedy.OPERATOR

    def __init__(self, name):
        super().__init__(f"The file of {name} is not valid JSON. Write it again, then retry.")
