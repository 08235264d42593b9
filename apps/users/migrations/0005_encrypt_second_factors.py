from typing import Any

from django.db import migrations

from apps.users.mfa import encrypted


def encrypt_all(apps: Any, schema_editor: Any) -> None:
    Authenticator = apps.get_model("mfa", "Authenticator")
    for factor in Authenticator.objects.iterator():
        Authenticator.objects.filter(pk=factor.pk).update(data=encrypted(factor.data))


class Migration(migrations.Migration):
    dependencies = [("users", "0004_user_session_nonce"), ("mfa", "0003_authenticator_type_uniq")]

    operations = [migrations.RunPython(encrypt_all, migrations.RunPython.noop)]
