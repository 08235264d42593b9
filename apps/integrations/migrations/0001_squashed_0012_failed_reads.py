import django.db.models.deletion
import django.db.models.manager
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('integrations', '0001_initial'), ('integrations', '0002_initial'), ('integrations', '0003_initial'), ('integrations', '0004_connection'), ('integrations', '0005_api_budget'), ('integrations', '0006_webhooks'), ('integrations', '0007_app_installations'), ('integrations', '0008_plural_names'), ('integrations', '0009_source_grants'), ('integrations', '0010_explained_repositories'), ('integrations', '0011_verification'), ('integrations', '0012_failed_reads')]

    initial = True

    dependencies = [
        ('metrics', '0008_insight_summaries'),
        ('teams', '0010_history_start'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiBudget',
            fields=[
                ('key', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('points', models.PositiveIntegerField(null=True)),
                ('points_left', models.PositiveIntegerField(null=True)),
                ('resets_at', models.DateTimeField(null=True)),
                ('blocked_until', models.DateTimeField(null=True)),
                ('secondary', models.BooleanField(default=False)),
                ('pace', models.JSONField(default=dict)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='SyncLog',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('signal', models.CharField(max_length=60)),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('data', models.JSONField(default=dict)),
                ('repository', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='metrics.repository')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='teams.team')),
            ],
            options={
                'abstract': False,
                'base_manager_name': '_plain',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('_plain', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='TrackedRepository',
            fields=[
                ('repository', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='tracking', serialize=False, to='metrics.repository')),
                ('sync_status', models.CharField(choices=[('pending', 'Waiting'), ('syncing', 'Syncing'), ('complete', 'Complete'), ('partial', 'Partial'), ('error', 'Error')], default='pending', max_length=10)),
                ('last_sync_error', models.TextField(blank=True)),
                ('cursor', models.JSONField(default=dict)),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(blank=True, null=True)),
                ('watermark', models.DateTimeField(blank=True, null=True)),
                ('synced_since', models.DateTimeField(blank=True, null=True)),
                ('last_synced_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('changed_at', models.DateTimeField(blank=True, null=True)),
                ('cause', models.CharField(blank=True, db_default='', default='', max_length=40)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('remedy', models.CharField(blank=True, choices=[('none', 'No action needed'), ('wait', 'Wait; it continues by itself'), ('retry', 'Fix the cause, then retry'), ('new_token', 'Enter a new token'), ('operator', 'Ask the operator of this site')], db_default='', default='', max_length=12)),
                ('notice', models.TextField(blank=True, db_default='', default='')),
                ('outside', models.JSONField(blank=True, null=True)),
                ('verified_at', models.DateTimeField(blank=True, null=True)),
                ('verified_to', models.BigIntegerField(blank=True, null=True)),
                ('read_began_at', models.DateTimeField(blank=True, null=True)),
                ('failed_reads', models.PositiveIntegerField(db_default=0, default=0)),
                ('gone_at', models.DateTimeField(blank=True, null=True)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='teams.team')),
            ],
            options={
                'abstract': False,
                'base_manager_name': '_plain',
                'verbose_name_plural': 'tracked repositories',
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('_plain', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('secret', models.BinaryField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('heard_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='teams.team')),
            ],
            options={
                'abstract': False,
                'base_manager_name': '_plain',
                'constraints': [models.UniqueConstraint(fields=('team',), name='webhook_once_in_team')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('_plain', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('guid', models.CharField(max_length=64)),
                ('event', models.CharField(max_length=60)),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('webhook', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='integrations.webhook')),
            ],
            options={
                'verbose_name_plural': 'deliveries',
                'indexes': [models.Index(fields=['at'], name='delivery_at')],
                'constraints': [models.UniqueConstraint(fields=('webhook', 'guid'), name='delivery_once')],
            },
        ),
        migrations.CreateModel(
            name='Connection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('github', 'GitHub'), ('sample', 'Sample organisation'), ('git', 'Local git clones')], max_length=10)),
                ('login', models.CharField(blank=True, max_length=100)),
                ('of_app', models.BooleanField(default=False)),
                ('scopes', models.JSONField(blank=True, null=True)),
                ('notes', models.JSONField(blank=True, default=list)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('connected_at', models.DateTimeField()),
                ('listing', models.JSONField(blank=True, default=list)),
                ('listing_more', models.PositiveIntegerField(blank=True, null=True)),
                ('listed_at', models.DateTimeField(blank=True, null=True)),
                ('sizes', models.JSONField(blank=True, default=dict)),
                ('installation_id', models.PositiveBigIntegerField(blank=True, db_index=True, null=True)),
                ('connected_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='teams.team')),
            ],
            options={
                'abstract': False,
                'base_manager_name': '_plain',
                'constraints': [models.UniqueConstraint(fields=('team', 'source'), name='connection_once_in_team')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('_plain', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='Credential',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('github_token', 'GitHub token'), ('github_installation', 'GitHub App')], max_length=30)),
                ('secret', models.BinaryField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='teams.team')),
            ],
            options={
                'abstract': False,
                'base_manager_name': '_plain',
                'constraints': [models.UniqueConstraint(fields=('team', 'kind'), name='credential_once_in_team')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('_plain', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='SourceGrant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('github', 'GitHub'), ('sample', 'Sample organisation'), ('git', 'Local git clones')], max_length=10)),
                ('folder', models.CharField(blank=True, max_length=300)),
                ('granted_at', models.DateTimeField(auto_now_add=True)),
                ('granted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='teams.team')),
            ],
            options={
                'abstract': False,
                'base_manager_name': '_plain',
                'constraints': [models.UniqueConstraint(fields=('team', 'source'), name='source_grant_once_in_team')],
            },
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('_plain', django.db.models.manager.Manager()),
            ],
        ),
    ]
