"""The pages of a team's journey. The team stands in the address, and every view asks for membership."""

from django.urls import path

from apps.onboarding import journey, streaming, views

app_name = "onboarding"
urlpatterns = [
    path("", views.landing, name="landing"),
    path("home/", journey.home, name="home"),
    path("t/<slug:slug>/onboarding/", journey.setup, name="setup"),
    path("t/<slug:slug>/onboarding/connect/", journey.connect, name="connect"),
    path("t/<slug:slug>/onboarding/connect/<slug:source>/leave/", journey.disconnect, name="disconnect"),
    path("t/<slug:slug>/onboarding/repositories/", journey.choose, name="choose"),
    path("t/<slug:slug>/onboarding/start/", journey.start, name="start"),
    path("t/<slug:slug>/onboarding/runs/<uuid:run_id>/", views.run_detail, name="run_detail"),
    path("t/<slug:slug>/onboarding/runs/<uuid:run_id>/events/", streaming.run_events, name="run_events"),
    path("t/<slug:slug>/onboarding/runs/<uuid:run_id>/events/", streaming.run_events, name="run_events"),
    path("t/<slug:slug>/weeks/", views.team_weeks, name="team_weeks"),
]
