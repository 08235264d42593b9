from django.apps import AppConfig


class MetricsConfig(AppConfig):
    name = "apps.metrics"
    label = "metrics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.metrics import receivers  # noqa: F401 - connects the receiver
        from apps.metrics.api import tokens
        from apps.teams.signals import rights_ended

        rights_ended.connect(tokens.end_tokens_of, dispatch_uid="metrics.end_tokens_of")
