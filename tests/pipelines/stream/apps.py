from django.apps import AppConfig


class StreamLabConfig(AppConfig):
    name = "tests.pipelines.stream"
    label = "stream_lab"

    def ready(self):
        from apps.pipelines import stream
        from tests.pipelines.stream.rendering import render

        stream.use(render=render)
