"""A model field for email addresses that people and operators enter."""

from typing import Any

from django.db import models

from apps.mail.addresses import InvalidAddress, normalize_address, validate_address


class AddressField(models.EmailField):  # type: ignore[type-arg]
    """An EmailField that stores every address as `normalize_address` returns it,
    however the row is made.
    """

    default_validators = [validate_address]

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Normalize the value.

        Raises:
            InvalidAddress: if a new row has an address that is refused. Rows from
                before keep theirs.
        """
        value = super().pre_save(model_instance, add)
        if not isinstance(value, str):
            return value
        try:
            value = normalize_address(value)
        except InvalidAddress:
            if add:
                raise
        setattr(model_instance, self.attname, value)
        return value
