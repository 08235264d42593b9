from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0003_normalized_addresses")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="session_nonce",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=20),
        ),
    ]
