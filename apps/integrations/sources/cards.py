"""The texts and forms of a source on the pages "Connect" and "Sources"."""

from dataclasses import dataclass

from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class Point:
    """What a source brings, or (with `is_included=False`) what it lacks."""

    text: str
    is_included: bool = True


@dataclass(frozen=True, slots=True)
class Card:
    """A source on offer.

    `duration` is how long the first setup takes. `button` connects without a token; it
    is empty if the source has a token form.
    """

    title: str
    lead: str
    icon: str
    duration: str
    points: tuple[Point, ...]
    button: str = ""


@dataclass(frozen=True, slots=True)
class TokenForm:
    """What the form for a token explains: the permissions that the token needs, more
    about them, and the page on which a token is made.
    """

    permissions: tuple[str, ...]
    note: SafeString
    url: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """The texts around the button that disconnects a source."""

    note: str = "Everything read so far is kept, but no longer refreshed."
    label: str = "Disconnect"
    button: str = "Disconnect"
