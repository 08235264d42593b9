import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('metrics', '0014_bot_decisions'),
        ('teams', '0010_history_start'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='prreview',
            name='given_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='metrics.teammember'),
        ),
        migrations.AddField(
            model_name='pullrequest',
            name='signed_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='metrics.teammember'),
        ),
        migrations.AddField(
            model_name='teammember',
            name='is_apart',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='teammember',
            name='joined_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='teammember',
            name='joined_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='teammember',
            name='joined_into',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='joined', to='metrics.teammember'),
        ),
        migrations.AddIndex(
            model_name='prreview',
            index=models.Index(condition=models.Q(('given_by__isnull', False)), fields=['given_by'], name='review_given_by'),
        ),
        migrations.AddIndex(
            model_name='pullrequest',
            index=models.Index(condition=models.Q(('signed_by__isnull', False)), fields=['signed_by'], name='pr_signed_by'),
        ),
    ]
