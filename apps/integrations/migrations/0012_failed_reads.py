from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0011_verification")]

    operations = [
        migrations.AddField(
            model_name="trackedrepository",
            name="read_began_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="trackedrepository",
            name="failed_reads",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="trackedrepository",
            name="gone_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
