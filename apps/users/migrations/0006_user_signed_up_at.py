from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0005_encrypt_second_factors")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="signed_up_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
