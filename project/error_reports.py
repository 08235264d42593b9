"""Send errors to Sentry without user input and identities: only the stack is sent.

`before_send` builds the event from a list of allowed keys. A key that a new version of
the SDK adds is therefore not sent until it is added to the list. Values of exceptions
are not sent either, because they quote input; the log has them, masked.
"""

import re
from typing import Any

from apps.masking import mask

NOT_SENT = "[not sent]"
KEYS = {
    "event_id",
    "timestamp",
    "level",
    "logger",
    "platform",
    "server_name",
    "release",
    "environment",
    "sdk",
    "modules",
    "transaction",
    "exception",
    "logentry",
    "type",
}
FRAME_KEYS = {
    "filename",
    "abs_path",
    "function",
    "module",
    "lineno",
    "in_app",
    "pre_context",
    "context_line",
    "post_context",
}
_ADDRESS = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,}+@[\w.-]+")


def start(dsn: str, release: str = "") -> bool:
    """Start the SDK, without its automatic data; `scrub` checks every event that is
    left.

    Returns False if the SDK cannot use the DSN.
    """
    import sentry_sdk  # a second's import that others need not wait for
    from sentry_sdk.utils import BadDsn, Dsn

    try:
        Dsn(dsn)
    except BadDsn:
        return False
    sentry_sdk.init(
        dsn=dsn,
        release=release or None,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_breadcrumb=_drop,
        before_send=scrub,
        before_send_transaction=_drop,
        auto_session_tracking=False,
    )
    return True


def _drop(_event: Any, _hint: Any) -> None:
    """Drop events of this kind."""


def scrub(event: Any, _hint: Any = None) -> Any:
    """Return the event with its allowed keys only, and each text in it masked."""
    kept = {key: value for key, value in event.items() if key in KEYS}
    method = event.get("request", {}).get("method")
    if method:
        kept["tags"] = {"method": method}
    if "exception" in kept:
        kept["exception"] = {
            "values": [_exception(one) for one in kept["exception"].get("values", [])]
        }
    if "logentry" in kept:
        # Only the template, because arguments may contain user input.
        kept["logentry"] = {"message": kept["logentry"].get("message", "")}
    return _masked(kept)


def _exception(exception: dict[str, Any]) -> dict[str, Any]:
    """Return the type and the stack of an exception, without its value."""
    stack = exception.get("stacktrace") or {}
    frames = [
        {key: value for key, value in frame.items() if key in FRAME_KEYS}
        for frame in stack.get("frames") or []
    ]
    return {
        "type": exception.get("type"),
        "module": exception.get("module"),
        "value": NOT_SENT,
        "mechanism": {
            "type": "generic",
            "handled": bool((exception.get("mechanism") or {}).get("handled")),
        },
        "stacktrace": {"frames": frames},
    }


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _ADDRESS.sub(
            "[address]", mask(value.partition("?")[0] if value.startswith("/") else value)
        )
    if isinstance(value, dict):
        return {key: _masked(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(part) for part in value]
    return value
