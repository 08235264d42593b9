"""Logs go to stderr, because stdout is for the results of commands: lines in
development, JSON objects otherwise.

    {"message": "The sweeper failed; trying again. (and 1,234 more in 60 s)",
     "level": "error", "logger": "apps.…"}

Each record that is written within a step has run, step, and attempt. Every text in a
record is masked (`apps.masking`) and limited in length, and repeated warnings and
errors are counted instead of written. uvicorn's loggers get the same configuration when
the application is loaded, so its access log follows these rules, too.
"""

import logging
import traceback
from collections.abc import MutableMapping
from typing import Any

from apps.masking import mask

MAX_MESSAGE = 4_000  # characters
MAX_TRACEBACK = 6_000  # characters; a traceback is cut in its middle
ACCESS_FIELDS = ("client", "method", "path", "status")


def settings_for(*, debug: bool) -> dict[str, Any]:
    """Return Django's LOGGING.

    Django's own default, which this replaces, sends an email with all settings to
    ADMINS at every answer of 5xx.
    """
    lines = {
        "()": "project.logs.LineFormatter",
        "format": "{asctime} {levelname} {name}: {message}",
        "style": "{",
    }
    to_root: dict[str, Any] = {"handlers": [], "level": "INFO", "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "step": {"()": "apps.pipelines.logs.StepFilter"},
            "path": {"()": "project.logs.AccessFilter"},
        },
        "formatters": {"chosen": lines if debug else {"()": "project.logs.json_formatter"}},
        "handlers": {
            "stderr": {
                "class": "project.log_limits.LimitedHandler",
                "filters": ["step"],
                "formatter": "chosen",
            },
            "operators": {
                "class": "project.operator_mail.OperatorMailHandler",
                "level": "ERROR",
            },
        },
        "root": {"handlers": ["stderr", "operators"], "level": "INFO"},
        "loggers": {
            "django": to_root,
            "huey": {
                "level": "WARNING"
            },  # at INFO it repeats each message that the run's own log has
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
            "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn": to_root,
            "uvicorn.error": to_root,
            "uvicorn.access": to_root | {"filters": ["path"]},
        },
    }


class AccessFilter(logging.Filter):
    """Removes the query of each path from uvicorn's access log, because queries of
    forms and links contain secrets.

    It also adds the parts of the message as fields, for JSON:

        {"message": "…", "client": "10.1.2.3:51234", "method": "GET",
         "path": "/t/acme/", "status": 200}
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, address, version, status = record.args
            path = str(address).partition("?")[0]
            record.args = (client, method, path, version, status)
            parts = (client, method, path, status)
            for name, value in zip(ACCESS_FIELDS, parts, strict=True):
                setattr(record, name, value)
        return True


class LineFormatter(logging.Formatter):
    """Formats a record as lines for people, masked and bounded."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = bounded(record.message, MAX_MESSAGE)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return bounded(super().formatException(ei), MAX_TRACEBACK)


def json_formatter() -> Any:
    """Return a formatter that writes one JSON object a line.

    Its keys: timestamp, level, logger, message, the fields of the step or of the
    request (`ACCESS_FIELDS`), and exception if there is one.
    """
    import structlog  # imported late: it takes 0.2 s, and the plain lines of development need none

    from apps.pipelines.logs import FIELDS

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(allow=[*FIELDS, *ACCESS_FIELDS]),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _format_exception,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.EventRenamer("message"),
            _mask_fields,
            structlog.processors.JSONRenderer(default=repr),
        ],
        # Otherwise structlog renders `stack_info` and the exception into the message.
        keep_exc_info=False,
        keep_stack_info=False,
    )


def _format_exception(
    _logger: Any, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the bounded traceback under `exception`."""
    exc_info = fields.pop("exc_info", None)
    if isinstance(exc_info, tuple) and exc_info[0] is not None:
        fields["exception"] = bounded(
            "".join(traceback.format_exception(*exc_info)).rstrip(), MAX_TRACEBACK
        )
    return fields


def _mask_fields(
    _logger: Any, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask every text of the record.

    Fields are masked before they become JSON, so that the result stays JSON.
    """
    return {name: masked(value) for name, value in fields.items()}


def masked(value: Any, depth: int = 0) -> Any:
    """Return the value with each text in it masked and shortened. An object of another
    type becomes its masked repr.
    """
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, str):
        return mask(bounded(value, MAX_TRACEBACK))
    if depth < 4 and isinstance(value, dict):
        return {masked(key, depth + 1): masked(part, depth + 1) for key, part in value.items()}
    if depth < 4 and isinstance(value, list | tuple):
        return [masked(part, depth + 1) for part in value[:100]]
    return mask(bounded(repr(value), MAX_TRACEBACK))


def bounded(text: str, limit: int) -> str:
    """Return the text in at most about `limit` characters. It is cut in its middle,
    because both ends of a traceback matter.
    """
    if len(text) <= limit:
        return text
    head, tail = limit // 4, limit - limit // 4
    return f"{text[:head]}\n[{len(text) - limit} characters are left out]\n{text[-tail:]}"
