from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "apps.integrations"
    label = "integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.integrations import pipelines
        from apps.integrations.sources import registered
        from apps.integrations.sync import receivers

        registered.register_all()
        receivers.connect()
        pipelines.register()
