"""Store addresses in one form: lower case, with the domain in ASCII.

Rows whose new form another account has keep the old one, for an operator to resolve.
"""

from typing import Any

from django.db import migrations

import apps.mail.fields
from apps.mail.addresses import address_or_none


def normalize(apps: Any, schema_editor: Any) -> None:
    for app, name in (("users", "User"), ("account", "EmailAddress")):
        model = apps.get_model(app, name)
        for pk, email in list(model.objects.values_list("pk", "email")):
            normalized = address_or_none(email)
            if normalized is None or normalized == email:
                continue
            if not model.objects.filter(email=normalized).exists():
                model.objects.filter(pk=pk).update(email=normalized)


class Migration(migrations.Migration):

    dependencies = [
        ("users", "0002_oidc_sessions"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="email",
            field=apps.mail.fields.AddressField(max_length=254, unique=True, verbose_name="email address"),
        ),
        migrations.RunPython(normalize, migrations.RunPython.noop),
    ]
