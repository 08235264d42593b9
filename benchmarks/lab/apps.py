import os

from django.apps import AppConfig


class BenchmarksConfig(AppConfig):
    name = "benchmarks.lab"
    label = "benchmarks"

    def ready(self) -> None:
        from apps.pipelines import stream
        from benchmarks.lab import tasks, watched

        for pipeline in (tasks.DURABLE, tasks.ENDLESS, tasks.ASLEEP):
            pipeline.register()
        watched.WATCHED.register()
        if os.environ.get("BENCH_STREAM"):
            stream.use(render=watched.render)
