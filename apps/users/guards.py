"""Collect reasons why a person cannot be deleted or deactivated now.

Apps above this one add functions that return them (`add_guard`).
"""

from collections.abc import Callable
from typing import Any

from django.db.models import ProtectedError
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from apps.users.models import User

_guards: list[Callable[[User], list[str]]] = []


def add_guard(guard: Callable[[User], list[str]]) -> None:
    """Register a function that returns why a person is needed, and what to do first."""
    if guard not in _guards:
        _guards.append(guard)


def needed_by(user: User) -> list[str]:
    """Return the reasons of all guards; none if the person can go."""
    reasons = []
    for guard in _guards:
        reasons += guard(user)
    return reasons


@receiver(pre_delete, sender=User, dispatch_uid="users.keep_needed")
def keep_needed(instance: User, **kwargs: Any) -> None:
    """Refuse to delete a needed person from code, too. Raises ProtectedError."""
    if reasons := needed_by(instance):
        raise ProtectedError(" ".join(reasons), {instance})
