from datetime import datetime

from apps.integrations.sources.base import Found, Listing, Source, listed_as
from apps.integrations.sources.cards import Card, Point
from apps.integrations.sources.errors import CannotConnect, InvalidName
from apps.integrations.sources.sizes import Size
from tests.integrations.folder_source.files import names, rows_of
from tests.integrations.folder_source.hook import FolderHook
from tests.integrations.folder_source.reader import FolderReader


class Folder(Source):
    """The JSON files of a folder on the server."""

    key = rows = "folder"
    name = site = "The folder"
    noun, nouns = "file", "files"
    is_always_active = True
    has_sizes = True

    @property
    def card(self):
        return Card(
            title="A folder of files",
            lead="Pull requests that another program writes.",
            icon="folder",
            duration="seconds",
            points=(Point("Merge times"), Point("No reviews", is_included=False)),
            button="Read the folder",
        )

    @property
    def hook(self):
        return FolderHook()

    def check(self, team, token):
        if not names():
            raise CannotConnect("The folder is empty.")
        return Found(self._listing())

    def list_pages(self, connection, first, count):
        return self._listing()

    def _listing(self):
        return Listing([listed_as(name) for name in names()])

    def sizes(self, connection, names):
        found = {}
        for name in names:
            days = [datetime.fromisoformat(row["opened"]).toordinal() for row in rows_of(name)]
            found[name] = Size(total=len(days), days=sorted(days, reverse=True))
        return found

    def checked_name(self, text):
        if text.strip() not in names():
            raise InvalidName(f"There is no file for {text}.")
        return text.strip()

    def reader(self, sync, alone, stack):
        return FolderReader(sync, alone)
