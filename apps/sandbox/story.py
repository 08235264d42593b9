"""A pull request while it is made up: who opens it, and how it ends."""

from dataclasses import dataclass, field

from .people import Person
from .records import Actor


@dataclass(frozen=True)
class Opening:
    """Who opens a pull request, and when.

    `bot` is its author, if that is not the person who asked for it.
    """

    moment: int
    person: Person
    bot: Actor | None = None


@dataclass
class Story:
    """One pull request while it is made up. Times are seconds since 1970."""

    opening: Opening
    kind: str
    subject: str
    title: str
    body: str = ""
    trailer: str = ""
    ready: int = 0
    starts_as_draft: bool = False
    reviews: list[tuple[int, Actor | None, str]] = field(default_factory=list)
    merged: int | None = None
    closed: int | None = None
    merged_by: Actor | None = None
    # When it was made a draft again and then abandoned.
    shelved: int | None = None

    @property
    def author(self) -> Actor | None:
        return self.opening.bot or self.opening.person.actor

    @property
    def last_review(self) -> int:
        return self.reviews[-1][0] if self.reviews else self.ready
