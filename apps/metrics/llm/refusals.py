"""Decide which outcome an error of a model's server is, by its status, its codes, and
its text.

    outcome_of(Fault(429, "insufficient_quota", "You exceeded your current quota"), {})
    # WaitUntil(cause=QUOTA)
    outcome_of(Fault(400, "json_validate_failed", ""), {})
    # Refused(cause=UNUSABLE): about this request, others may pass

Servers share few codes, so the text counts as well. The order of the checks matters: a
used-up quota comes as 402, 403, or 429.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.metrics.llm import limits
from apps.metrics.llm.outcomes import Broken, Cause, Outcome, Refused, WaitUntil
from apps.pipelines.remedy import Remedy

QUOTA = (
    "insufficient_quota",
    "billing",
    "current quota",
    "payment",
    "credit",
    "insufficient balance",
    "spending limit",
)
RATE = (
    "rate_limit",
    "rate limit",
    "ratelimit",
    "too many requests",
    "resource_exhausted",
    "overloaded",
    "slow down",
)
CONTENT = (
    "content_filter",
    "content_policy",
    "content policy",
    "content management",
    "responsibleai",
    "flagged",
    "moderation",
    "safety",
)
TOO_LONG = (
    "context_length",
    "context length",
    "context window",
    "maximum context",
    "too many tokens",
    "too large for",
    "request too large",
    "request_too_large",
    "prompt is too long",
    "exceeds the available context",
    "string_above_max_length",
)
NO_JSON = (
    "json_validate_failed",
    "failed to generate json",
    "failed to validate json",
    "tool_use_failed",
)
KEY = ("api key", "api_key", "invalid_authentication", "unauthorized", "permission denied")
MODEL = (
    "model_not_found",
    "model not found",
    "model_decommissioned",
    "decommissioned",
    "no such model",
    "model does not exist",
    "no endpoints found",
    "unknown model",
    "deploymentnotfound",
)
# Statuses of a server or gateway that has trouble of its own.
TROUBLE = (408, 409, 425, 498, 499)
# Statuses of a request whose form may be what is refused.
FORM = (400, 422)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error: HTTP status, its codes, types, and parameters in lower case, and its
    message. Both texts are masked.
    """

    status: int
    names: str
    message: str

    @property
    def detail(self) -> str:
        """Return the error in a line for operators."""
        words = self.message or self.names
        return f"HTTP {self.status}: {words}" if words else f"HTTP {self.status}"

    def mentions(self, words: tuple[str, ...]) -> bool:
        """Return whether a code or the message has one of the words."""
        text = f"{self.names} {self.message.lower()}"
        return any(word in text for word in words)


def outcome_of(fault: Fault, headers: Mapping[str, str]) -> Outcome:
    """Return the outcome of an error."""
    status = fault.status
    # A used-up quota may come with the status of a rate limit, so it is checked first.
    if _is_quota(fault):
        reason = "The account at the language model's provider has no quota left."
        return WaitUntil(Cause.QUOTA, reason, limits.pause(headers), fault.detail)
    if status == 413 or (fault.mentions(TOO_LONG) and status < 500):
        return _refused(
            Cause.TOO_LONG, "It is too long for the language model.", fault, Remedy.NONE
        )
    if _is_limit(fault, headers):
        return WaitUntil(
            Cause.RATE_LIMIT,
            "The language model's limit is reached.",
            limits.pause(headers),
            fault.detail,
        )
    if fault.mentions(CONTENT) and status < 500:
        return _refused(
            Cause.CONTENT, "The language model's content filter refuses it.", fault, Remedy.NONE
        )
    if fault.mentions(NO_JSON):
        return _refused(
            Cause.UNUSABLE,
            "The language model found no answer of the form asked for.",
            fault,
            Remedy.RETRY,
        )
    if status in TROUBLE or status >= 500 or 200 <= status < 300:
        # What comes with a good status and none of these words is a gateway's trouble.
        where = (
            "its gateway reports an error"
            if status < 300
            else f"it answered with HTTP {status}"
        )
        return Broken(Cause.UNREACHABLE, where, fault.detail)
    return _settings(fault)


def _settings(fault: Fault) -> Refused:
    """Return the refusal of something that an operator has configured, or of a
    request.
    """
    status = fault.status
    if status in (401, 403, 407) or fault.mentions(KEY):
        return _refused(
            Cause.KEY, "The language model's server refuses this site's key.", fault
        )
    if fault.mentions(MODEL) or (status == 404 and "model" in fault.message.lower()):
        return _refused(
            Cause.MODEL,
            "The language model's server does not have the model that is set up.",
            fault,
        )
    if status in FORM:
        return _refused(
            Cause.REQUEST,
            f"The language model's server refuses the request (HTTP {status}).",
            fault,
        )
    return _refused(
        Cause.ADDRESS,
        f"There is no language model at the address that is set up (HTTP {status}).",
        fault,
    )


def _refused(
    cause: Cause, reason: str, fault: Fault, remedy: Remedy = Remedy.OPERATOR
) -> Refused:
    return Refused(cause, reason, remedy, fault.detail, fault.names, fault.status)


def _is_quota(fault: Fault) -> bool:
    if fault.status == 402:
        return True
    return (fault.status in (403, 429) or fault.status < 300) and fault.mentions(QUOTA)


def _is_limit(fault: Fault, headers: Mapping[str, str]) -> bool:
    if fault.status == 429:
        return True
    if fault.status in (503, 529) and "retry-after" in headers:
        return True
    return (fault.status == 529 or fault.status < 300) and fault.mentions(RATE)
