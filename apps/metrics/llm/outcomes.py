"""What can come of a request to the language model: one of four outcomes, whatever the
server does.

    Answer       texts that may hold what was asked for, and what they cost
    WaitUntil    not now: a limit, a used-up quota, or a server that is busy
    Refused      asking the same again does not help; `remedy` is what a person can do
    Broken       no usable answer came; asking again may help

`reason` is for members of the team. `detail` is for operators: the server's own words,
masked and in at most 500 characters; it is logged and printed by `manage.py
check_model`, and shown on no page of a team.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from apps.pipelines.remedy import Remedy


class Cause(StrEnum):
    """Why there is no answer. Stored and published."""

    RATE_LIMIT = "ai_rate_limit"
    QUOTA = "ai_quota"
    UNREACHABLE = "ai_unreachable"
    UNUSABLE = "ai_unusable"
    KEY = "ai_key_refused"
    MODEL = "ai_model_missing"
    ADDRESS = "ai_address_wrong"
    REQUEST = "ai_request_refused"
    CONTENT = "ai_content_filter"
    TOO_LONG = "ai_too_long"
    SETTINGS = "ai_settings_wrong"
    BUDGET = "ai_budget_spent"
    CONTINUES = "ai_continues"
    # A defect of this product: no outcome of the boundary should have it.
    UNEXPECTED = "ai_unexpected"


# Refusals that are about one request, so that others may pass.
OF_ONE_REQUEST = (Cause.REQUEST, Cause.CONTENT, Cause.TOO_LONG, Cause.UNUSABLE)


@dataclass(frozen=True, slots=True)
class Answer:
    """Texts of which the first usable one counts, and the cost in tokens.
    `tokens_a_minute` is the server's limit, if it sent one. `is_cut` is whether the
    answer reached its limit of tokens.
    """

    texts: tuple[str, ...]
    tokens_in: int
    tokens_out: int
    tokens_a_minute: int | None = None
    is_cut: bool = False

    @property
    def text(self) -> str:
        """Return the first text; empty if there is none."""
        return self.texts[0] if self.texts else ""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """The server wants fewer requests.

    `pause` is what it asked for; None if it gave no time.
    """

    cause: Cause
    reason: str
    pause: timedelta | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refuses the request.

    `names` are the parameters and codes that it gave, in lower case.
    """

    cause: Cause
    reason: str
    remedy: Remedy = Remedy.OPERATOR
    detail: str = ""
    names: str = ""
    status: int = 0

    @property
    def is_of_one_request(self) -> bool:
        """Return whether other requests may pass."""
        return self.cause in OF_ONE_REQUEST


@dataclass(frozen=True, slots=True)
class Broken:
    """There is no answer, or one that can't be read."""

    cause: Cause
    reason: str
    detail: str = ""


Outcome = Answer | WaitUntil | Refused | Broken
