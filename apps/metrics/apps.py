from django.apps import AppConfig


class MetricsConfig(AppConfig):
    name = "apps.metrics"
    label = "metrics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.metrics import receivers
        from apps.metrics.api import tokens
        from apps.teams.signals import rights_ended
        from apps.users.proof import address_proven

        address_proven.connect(
            receivers.delete_unproven_tokens, dispatch_uid="metrics.delete_unproven_tokens"
        )
        rights_ended.connect(tokens.end_tokens_of, dispatch_uid="metrics.end_tokens_of")
