"""What a repository is on GitHub, and one row for each pull request.

An earlier release kept pull requests by GitHub's node ids, whose format may change: one with two ids has two
rows then. The newer one stays. The constraints that forbid it follow in a migration of their own, because
PostgreSQL does not change a table in a transaction that has deleted from it.
"""

import base64
import binascii
from typing import Any

from django.db import migrations, models
from django.db.models import Count

SIZES = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}


def database_id(node_id: str) -> int | None:
    """Return the number within a repository's node id, like R_kgDOABPHjQ or MDEwOlJlcG9zaXRvcnkx; None if there is none."""
    text = node_id.removeprefix("R_")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    if text == node_id:
        head, _, digits = raw.partition(b":Repository")
        return int(digits) if head == b"010" and digits.isdigit() and len(digits) < 19 else None
    if raw[:2] != b"\x92\x00" or len(raw) < 3:
        return None
    if len(raw) == 3 and raw[2] < 0x80:
        return raw[2]
    number = raw[3:]
    return int.from_bytes(number) if SIZES.get(raw[2]) == len(number) else None


def identify(apps: Any, schema_editor: Any) -> None:
    Repository = apps.get_model("metrics", "Repository")
    seen = set()
    for repository in Repository.objects.filter(source="github").exclude(external_id="").order_by("pk").iterator():
        number = database_id(repository.external_id)
        if number and (repository.team_id, number) not in seen:
            seen.add((repository.team_id, number))
            Repository.objects.filter(pk=repository.pk).update(github_id=number)


def unite(apps: Any, schema_editor: Any) -> None:
    PullRequest = apps.get_model("metrics", "PullRequest")
    Correction = apps.get_model("metrics", "Correction")
    rows = PullRequest.objects.filter(github_id__isnull=False, number__isnull=False)
    doubled = rows.values("repository_id", "number").annotate(n=Count("pk")).filter(n__gt=1).order_by()
    for repository_id, number in list(doubled.values_list("repository_id", "number")):
        same = rows.filter(repository_id=repository_id, number=number).order_by("-updated_at", "-pk")
        kept, *others = same.values_list("pk", flat=True)
        corrected = Correction.objects.filter(pull_request_id__in=[kept, *others]).order_by("-pk").first()
        if corrected is not None and corrected.pull_request_id != kept:
            Correction.objects.filter(pk=corrected.pk).update(pull_request_id=kept)
        PullRequest.objects.filter(pk__in=others).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("metrics", "0010_database_defaults"),
        ("teams", "0010_history_start"),
    ]

    operations = [
        migrations.AddField(
            model_name="repository",
            name="github_id",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="repository",
            name="host",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.RunPython(identify, migrations.RunPython.noop),
        migrations.RunPython(unite, migrations.RunPython.noop),
    ]
