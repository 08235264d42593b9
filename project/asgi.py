"""The ASGI application that a web process serves."""

from django.core.asgi import get_asgi_application

from project.startup import prepare

prepare()
application = get_asgi_application()
