"""What GitHub means when it refuses a request: the cause, and the step that helps,
found by the words of GitHub's message.

    refusal_of("FORBIDDEN", "… has an IP allow list enabled, and your IP address is not permitted …")
    # Refusal("ip_allow_list", Remedy.OPERATOR, "An owner of the organization can add …")

GitHub's sentence is always quoted together with the step, because it is more precise
than the step.
"""

from dataclasses import dataclass

from apps.pipelines.remedy import Remedy

# Kinds of refusals over HTTP: status 451, and a body that is not JSON.
LEGAL, PAGE = "451", "page"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason that GitHub gives.

    `of_token` is True if it concerns every request with the token.
    """

    cause: str
    remedy: Remedy
    step: str
    of_token: bool = False


SCOPES = Refusal(
    "scopes_missing",
    Remedy.NEW_TOKEN,
    "Give the token these scopes, or enter another token, then retry.",
)
BLOCKED = Refusal(
    "blocked",
    Remedy.NONE,
    "Nothing can be read until GitHub lifts this. Everything read so far is kept.",
)
# A refusal with an unknown message.
OTHER = Refusal("refused", Remedy.RETRY, "Clear this up on GitHub, then retry.")
# A refusal without a message from GitHub: a proxy or firewall between this server and
# GitHub answered.
PROXY = Refusal(
    "refused_by_proxy",
    Remedy.OPERATOR,
    "This answer is not from GitHub’s API. Check the proxy or firewall between this server and "
    "GitHub.",
)

# Phrases of GitHub's sentence, in lower case. An entry fits if the sentence contains
# all of its phrases; the first one that fits is used.
_KNOWN: tuple[tuple[tuple[str, ...], Refusal], ...] = (
    (
        ("ip allow list",),
        Refusal(
            "ip_allow_list",
            Remedy.OPERATOR,
            "An owner of the organization has to add this server’s address to that list.",
        ),
    ),
    (
        ("ip address", "not permitted"),
        Refusal(
            "ip_allow_list",
            Remedy.OPERATOR,
            "An owner of the organization has to permit this server’s address.",
        ),
    ),
    (
        ("conditional access",),
        Refusal(
            "ip_allow_list",
            Remedy.OPERATOR,
            "An owner of the enterprise has to permit this server.",
        ),
    ),
    (
        ("token", "lifetime"),
        Refusal(
            "token_lifetime",
            Remedy.NEW_TOKEN,
            "Shorten its lifetime, or enter a token that ends sooner.",
        ),
    ),
    (
        ("forbids access", "token"),
        Refusal(
            "token_kind",
            Remedy.NEW_TOKEN,
            "Enter a token of a kind that the organization allows.",
        ),
    ),
    (
        ("oauth app access restrictions",),
        Refusal(
            "app_not_approved",
            Remedy.NEW_TOKEN,
            "An owner of the organization can approve the application, or enter a personal access token.",
        ),
    ),
    (
        ("installation", "suspended"),
        Refusal(
            "installation_suspended",
            Remedy.RETRY,
            "An owner of the organization has to unsuspend the GitHub App there, then retry.",
            of_token=True,
        ),
    ),
    (
        ("account", "suspended"),
        Refusal(
            "account_suspended",
            Remedy.NEW_TOKEN,
            "Enter a token of another account, then retry.",
            of_token=True,
        ),
    ),
    (("dmca",), BLOCKED),
    (("legal reasons",), BLOCKED),
    (("access blocked",), BLOCKED),
    (
        ("disabled", "staff"),
        Refusal(
            "disabled",
            Remedy.RETRY,
            "The repository’s owner has to ask GitHub’s support, then retry.",
        ),
    ),
    (
        ("repository", "locked"),
        Refusal(
            "locked",
            Remedy.RETRY,
            "The repository’s owner has to unlock it on GitHub, then retry.",
        ),
    ),
    (
        ("two-factor",),
        Refusal(
            "two_factor",
            Remedy.RETRY,
            "Turn on two-factor authentication for the account of the token, then retry.",
        ),
    ),
    (
        ("administrative rules",),
        Refusal("refused", Remedy.OPERATOR, "GitHub refuses this server’s requests as such."),
    ),
    (("required scopes",), SCOPES),
)
# Phrases about a permission that a token lacks.
_PERMISSION = (
    "not accessible by",
    "must have",
    "permission",
    "not authorized",
    "push access",
    "admin rights",
)


def known_refusal(message: str) -> Refusal | None:
    """Return what a refusal means if GitHub's message is a known one."""
    lowered = message.lower()
    for words, refusal in _KNOWN:
        if all(word in lowered for word in words):
            return refusal
    return None


def refusal_of(kind: str, message: str) -> Refusal | None:
    """Return what a refusal means, by its kind and GitHub's message.

    Args:
        kind: GraphQL's type of the error, LEGAL for HTTP 451, PAGE for a body that is
            no JSON.
        message: GitHub's message, or the text of the page.

    Returns:
        None for a permission that the token lacks, and for a refusal without words.
    """
    if kind == "INSUFFICIENT_SCOPES":
        return SCOPES
    if known := known_refusal(message):
        return known
    if kind == LEGAL:
        return BLOCKED
    if not message:
        return None
    if kind == PAGE:
        return PROXY
    lowered = message.lower()
    lacks_permission = any(word in lowered for word in _PERMISSION)
    return None if lacks_permission else OTHER
