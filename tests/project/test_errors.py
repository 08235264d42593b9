"""The page for an exception that no view handles."""

import re

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from apps.pipelines.models import Incident

SECRET = "/srv/firstlight/secret-path host=db.internal"


def broken(request):
    raise LookupError(SECRET)


def away(request):
    raise OperationalError(SECRET)


def fine(request):
    return HttpResponse("fine")


urlpatterns = [path("broken", broken), path("away", away), path("fine", fine)]
handler500 = "project.errors.server_error"


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def test_an_unexpected_exception_shows_a_reference_and_nothing_of_itself(client, db, caplog):
    response = client.get("/broken")
    assert response.status_code == 500
    assert "LookupError" not in response.text
    assert "secret-path" not in response.text
    [reference] = re.findall(r"data-reference>(\w+)<", response.text)
    incident = Incident.objects.get(reference=reference)
    assert "LookupError" in incident.details
    assert reference in caplog.text


def test_a_database_that_is_away_is_not_asked_to_keep_the_incident(
    client, django_assert_num_queries, db
):
    with django_assert_num_queries(0):
        response = client.get("/away")
    assert response.status_code in (500, 503)
    assert "db.internal" not in response.text


def test_the_project_uses_this_handler():
    from project import urls

    assert urls.handler500 == handler500
