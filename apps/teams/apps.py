from django.apps import AppConfig


class TeamsConfig(AppConfig):
    name = "apps.teams"
    label = "teams"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.teams import (
            checks,  # noqa: F401 - registers the check
            oidc_roles,  # noqa: F401 - connects the receiver
            owners,
            proof,
            receivers,
        )
        from apps.users.guards import add_guard
        from apps.users.sign_up import set_invitation_lookup

        receivers.connect()
        add_guard(owners.reasons_to_keep)
        set_invitation_lookup(proof.invited_address)
