from datetime import UTC
from typing import Any

from django.db import migrations, models
from django.db.models import Min


def fix_first_days(apps: Any, schema_editor: Any) -> None:
    """Keep the day back to which an earlier release read a team, whose nights read a window that moved on."""
    Team = apps.get_model("teams", "Team")
    TrackedRepository = apps.get_model("integrations", "TrackedRepository")
    read = TrackedRepository.objects.filter(synced_since__isnull=False).values("team_id").order_by()
    for team_id, earliest in read.annotate(earliest=Min("synced_since")).values_list("team_id", "earliest"):
        Team.objects.filter(pk=team_id, history_start=None).update(history_start=earliest.astimezone(UTC).date())


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0010_explained_repositories'),
        ('teams', '0010_history_start'),
    ]

    operations = [
        migrations.AddField(
            model_name='trackedrepository',
            name='notice',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='trackedrepository',
            name='outside',
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='trackedrepository',
            name='verified_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='trackedrepository',
            name='verified_to',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.RunPython(fix_first_days, migrations.RunPython.noop),
    ]
