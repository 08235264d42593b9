"""Grant sources of the installation to teams. Teams that read clones until now go on reading them."""

from typing import Any

import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models


def grant_to_teams_with_clones(apps: Any, schema_editor: Any) -> None:
    manager = "_plain"  # rows of all teams
    connections = getattr(apps.get_model("integrations", "Connection"), manager)
    repositories = getattr(apps.get_model("metrics", "Repository"), manager)
    teams = set(connections.filter(source="git").values_list("team_id", flat=True))
    teams |= set(repositories.filter(source="git").values_list("team_id", flat=True))
    grants = getattr(apps.get_model("integrations", "SourceGrant"), manager)
    for team_id in sorted(teams):
        grants.get_or_create(team_id=team_id, source="git")


class Migration(migrations.Migration):

    dependencies = [
        ("integrations", "0008_plural_names"),
        ("metrics", "0008_insight_summaries"),
        ("teams", "0005_digest"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SourceGrant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(choices=[("github", "GitHub"), ("sample", "Sample organisation"), ("git", "Local git clones")], max_length=10)),
                ("folder", models.CharField(blank=True, max_length=300)),
                ("granted_at", models.DateTimeField(auto_now_add=True)),
                ("granted_by", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("team", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="teams.team")),
            ],
            options={
                "abstract": False,
                "base_manager_name": "_plain",
                "constraints": [models.UniqueConstraint(fields=("team", "source"), name="source_grant_once_in_team")],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("_plain", django.db.models.manager.Manager()),
            ],
        ),
        migrations.RunPython(grant_to_teams_with_clones, migrations.RunPython.noop),
    ]
