"""The ASGI application that a web process serves."""

from django.core.asgi import get_asgi_application

from project.startup import prepare

prepare()
django = get_asgi_application()

from apps.pipelines.stream.endpoint import Streams  # noqa: E402 - it reads models, which are there only now

application = Streams(django)
