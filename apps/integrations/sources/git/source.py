"""Local clones as a source: which of them a team may read, how they are listed and
read, and their texts.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from django.conf import settings

from apps.integrations.models import Connection
from apps.integrations.sources.base import Found, Listing, Source, listed_as
from apps.integrations.sources.cards import Card, Point
from apps.integrations.sources.errors import CannotConnect, InvalidName
from apps.integrations.sources.git import KEY
from apps.integrations.sources.git.access import clones_for, is_granted
from apps.integrations.sources.git.errors import GitError
from apps.integrations.sources.git.location import locate
from apps.integrations.sources.git.reader import GitReader
from apps.integrations.sources.reading import Alone, Sync
from apps.teams.models import Team

LONGEST_PATH = 300
CARD = Card(
    title="Local git clones",
    lead="Reads merge commits from the clones on this server. No account needed.",
    icon="folder",
    duration="about 1\N{NO-BREAK SPACE}min",
    points=(
        Point("Time to merge, size, throughput"),
        Point("No reviews and no review times", is_included=False),
        Point("AI evidence from commits only", is_included=False),
    ),
    button="Find clones",
)


class Git(Source):
    """The clones below GIT_SOURCE_ROOT, for teams to which the operator granted them."""

    key = rows = KEY
    name = "Local git clones"
    # A clone has pull requests and direct commits.
    one = "change"
    noun, nouns = "clone", "clones"
    unpushed = "a clone on this server"
    is_always_active = True
    needs_grant = True

    @property
    def card(self) -> Card:
        return CARD

    # Connect

    def is_offered(self, team: Team) -> bool:
        return settings.GIT_SOURCE_ROOT is not None and is_granted(team)

    def check(self, team: Team, token: str) -> Found:
        listing = _listing(team.pk)
        if not listing.repositories:
            raise CannotConnect(
                "There is no git clone in the folder that clones are read from, up to three "
                "folders deep. Clone a repository into it, then try again."
            )
        return Found(listing)

    def check_names(self, token: str, names: Sequence[str]) -> Found | None:
        reasons = []
        for path in names:
            try:
                locate(path, settings.GIT_SOURCE_ROOT)
            except GitError as error:
                reasons.append(str(error))
        if len(reasons) == len(names):
            raise CannotConnect(" ".join(dict.fromkeys(reasons)))
        return None

    def missing(self, token: str) -> str:
        if settings.GIT_SOURCE_ROOT is not None:
            return ""
        return (
            "--source git reads clones below GIT_SOURCE_ROOT, which is not set. Set it to their "
            "folder."
        )

    def granted_folder(self, folder: str) -> Path:
        root: Path | None = settings.GIT_SOURCE_ROOT
        if root is None:
            raise CannotConnect("Set GIT_SOURCE_ROOT to the folder with the clones first.")
        return root / folder

    def connected(self, connection: Connection) -> str:
        count = self.counted(connection).replace(self.noun, f"local {self.noun}")
        return f"{count} found."

    # List

    def list_pages(self, connection: Connection, first: int, count: int) -> Listing:
        # There is one page. If there may be more clones, they have to be moved.
        return _listing(connection.team_id) if first == 1 else Listing([], first)

    def checked_name(self, text: str) -> str:
        path = text.strip()
        if not path or "\x00" in path or len(path) > LONGEST_PATH:
            raise InvalidName(f"A path of a clone has 1 to {LONGEST_PATH} characters.")
        return path

    # Read

    def reader(self, sync: Sync, alone: Alone, stack: ExitStack) -> GitReader:
        return GitReader(sync, alone)


def _listing(team_id: int) -> Listing:
    paths, has_more = clones_for(team_id)
    return Listing([listed_as(path) for path in paths], 2 if has_more else None)
