"""The ASGI application that a web process serves."""

from django.core.asgi import get_asgi_application

from project.postgres import bound_waits
from project.startup import prepare

prepare()
bound_waits()
django = get_asgi_application()

from apps.pipelines.stream.endpoint import Streams  # noqa: E402 - it reads models, which are there only now
from project.server.deadline import Deadline  # noqa: E402

application = Streams(Deadline(django))
