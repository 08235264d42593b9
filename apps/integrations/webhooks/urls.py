"""The addresses that GitHub's webhooks call."""

from django.urls import path

from apps.integrations.webhooks import views

app_name = "integrations"
urlpatterns = [
    path("hooks/github/app/", views.receive_of_app, name="app_webhook"),
    path("hooks/github/<uuid:key>/", views.receive, name="webhook"),
]
