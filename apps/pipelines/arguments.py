"""The arguments of a signal as JSON, and back.

    {"run": <Run 5>, "state": "done"}
    {"run": {"!": "copy", "of": {"model": "pipelines.run", "pk": …, "fields": {…}}},
     "state": "done"}

A run and its steps are stored as they are, because a receiver that is retried must get
what it got the first time. Objects of other models are stored by their keys, and read
again.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core import serializers
from django.db import models

from apps.pipelines.models import Run, StepRun

KIND = "!"


def encode(value: Any) -> Any:
    """Return a value that JSON can hold.

    Raises TypeError for a value of an unknown kind.
    """
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return {KIND: "moment", "of": value.isoformat()}
    if isinstance(value, UUID):
        return {KIND: "uuid", "of": str(value)}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return _encode_dict(value)
    if isinstance(value, Run | StepRun):
        [stored] = serializers.serialize("python", [value])
        return {KIND: "copy", "of": encode(dict(stored))}
    if isinstance(value, models.Model):
        return {KIND: "object", "of": [value._meta.label_lower, encode(value.pk)]}
    if isinstance(value, type) and issubclass(value, models.Model):
        return {KIND: "model", "of": value._meta.label_lower}
    raise TypeError(f"A {type(value).__name__} can't be stored as an argument of a signal.")


def _encode_dict(value: dict[Any, Any]) -> dict[str, Any]:
    if KIND in value or not all(isinstance(key, str) for key in value):
        raise TypeError(
            "Only a dictionary with plain names as keys can be stored as an argument of a signal."
        )
    return {key: encode(item) for key, item in value.items()}


def decode(stored: Any) -> Any:
    """Return the value that `encode` was given.

    Raises ObjectDoesNotExist if an object was deleted.
    """
    if isinstance(stored, list):
        return [decode(item) for item in stored]
    if not isinstance(stored, dict):
        return stored
    if KIND not in stored:
        return {key: decode(item) for key, item in stored.items()}
    content = decode(stored["of"])
    match stored[KIND]:
        case "moment":
            return datetime.fromisoformat(content)
        case "uuid":
            return UUID(content)
        case "copy":
            # Another release may have stored a field that this one does not have.
            [found] = serializers.deserialize("python", [content], ignorenonexistent=True)
            found.object._state.adding = False
            return found.object
        case "object":
            label, key = content
            return apps.get_model(label)._default_manager.get(pk=key)
        case "model":
            return apps.get_model(content)
    raise TypeError(f"An argument of the kind {stored[KIND]!r} is unknown.")
