from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("metrics", "0011_repository_identity")]

    operations = [
        migrations.AddConstraint(
            model_name="pullrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("github_id__isnull", False)),
                fields=("repository", "number"),
                name="pull_request_number_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="repository",
            constraint=models.UniqueConstraint(
                condition=models.Q(("github_id__isnull", False)),
                fields=("team", "host", "github_id"),
                name="repository_identity_once",
            ),
        ),
    ]
