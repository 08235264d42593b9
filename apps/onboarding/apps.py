from django.apps import AppConfig


class OnboardingConfig(AppConfig):
    name = "apps.onboarding"
    label = "onboarding"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Every process knows the pipelines: the web starts runs, workers run them,
        # commands watch them.
        from apps.onboarding import fragments, pipeline, receivers, streaming  # noqa: F401 - connects the receivers
        from apps.onboarding.state import teams
        from apps.pipelines import stream
        from apps.teams import states

        pipeline.register()
        states.use(teams.of_team)
        stream.use(render=fragments.render, may_watch=streaming.may_watch)
