"""Logs go to stderr: stdout belongs to what commands answer. Lines for people in development, JSON otherwise.

Each record that is written within a step carries run, step and attempt.
"""

from typing import Any


def settings_for(*, debug: bool) -> dict[str, Any]:
    """Django's LOGGING."""
    lines = {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"step": {"()": "apps.pipelines.logs.StepFilter"}},
        "formatters": {"chosen": lines if debug else {"()": "project.logs.json_formatter"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["step"],
                "formatter": "chosen",
            }
        },
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "huey": {"level": "WARNING"},  # at INFO it repeats each message that the run's own log has
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
            "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
    }


def json_formatter() -> Any:
    """One JSON object a line: timestamp, level, logger, message, the step's fields, and exception where there is one."""
    import structlog  # a fifth of a second that development, where lines are plain, need not wait for

    from apps.pipelines.logs import FIELDS

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(allow=FIELDS),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
    )
