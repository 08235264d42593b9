"""Clean up accounts and sessions once a day."""

from importlib import import_module

from django.conf import settings
from django.utils import timezone
from huey.api import crontab
from huey.contrib.djhuey import db_periodic_task

from apps.users import retention


def _delete_unconfirmed() -> None:
    """Delete accounts that were signed up and never confirmed."""
    retention.delete_unconfirmed(timezone.now())


_daily = db_periodic_task(
    crontab(minute="37", hour="4"), name="users_delete_unconfirmed", queue="compute"
)
delete_unconfirmed = _daily(_delete_unconfirmed)


def _clear_sessions() -> None:
    """Delete the sessions that have expired, as `manage.py clearsessions` does."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


_nightly = db_periodic_task(
    crontab(minute="52", hour="4"), name="users_clear_sessions", queue="compute"
)
clear_sessions = _nightly(_clear_sessions)
