from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def keep_known_bots(apps: Any, schema_editor: Any) -> None:
    """Bots that the sources named until now stay bots by rule."""
    member = apps.get_model("metrics", "TeamMember")
    member._base_manager.filter(is_bot=True).update(bot_by_rule=True)


class Migration(migrations.Migration):

    dependencies = [
        ("metrics", "0013_what_clones_know"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="teammember",
            name="bot_by_rule",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="teammember",
            name="bot_decided_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="teammember",
            name="bot_decided_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="teammember",
            name="bot_decision",
            field=models.BooleanField(blank=True, null=True),
        ),
        migrations.RunPython(keep_known_bots, migrations.RunPython.noop),
    ]
