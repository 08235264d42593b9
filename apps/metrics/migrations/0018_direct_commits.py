from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metrics", "0017_llm_outcomes")]

    operations = [
        migrations.AddField(
            model_name="weeklymetrics",
            name="direct_commits",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
