from django.apps import AppConfig


class BenchmarksConfig(AppConfig):
    name = "benchmarks.lab"
    label = "benchmarks"

    def ready(self) -> None:
        from benchmarks.lab import tasks

        tasks.DURABLE.register()
