from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "apps.users"
    label = "users"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.caches import use_in_allauth
        from apps.pipelines.stream import hooks
        from apps.users import signals  # noqa: F401 - connects the receivers
        from apps.users.oidc import receivers, sessions  # noqa: F401

        use_in_allauth()
        hooks.use(is_current=sessions.is_current)
