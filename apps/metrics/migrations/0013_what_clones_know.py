from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("metrics", "0012_identities_once")]

    operations = [
        migrations.AddField(
            model_name="pullrequest",
            name="digest",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="pullrequest",
            name="lines_left_out",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="pullrequest",
            name="opening_known",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AlterField(
            model_name="pullrequest",
            name="kind",
            field=models.CharField(
                choices=[("pull_request", "Pull request"), ("change", "Change"), ("release", "Release")],
                default="pull_request",
                max_length=20,
            ),
        ),
    ]
