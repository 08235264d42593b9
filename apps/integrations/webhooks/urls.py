"""The addresses that the webhooks of sources call."""

from django.urls import path

from apps.integrations.webhooks import views

app_name = "integrations"
urlpatterns = [
    path("hooks/<slug:source>/app/", views.receive_of_app, name="app_webhook"),
    path("hooks/<slug:source>/<uuid:key>/", views.receive, name="webhook"),
]
