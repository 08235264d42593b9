"""The addresses of a team's setup, runs, and sources.

Each address contains the team, and every view checks the membership.
"""

from django.urls import path

from apps.onboarding import (
    installing,
    journey,
    landing,
    lost_access,
    sources,
    streaming,
    team_settings,
    views,
)

app_name = "onboarding"
urlpatterns = [
    path("", landing.landing, name="landing"),
    path("home/", journey.home, name="home"),
    path("lost-access/", lost_access.lost_access, name="lost_access"),
    path("t/<slug:slug>/home/", journey.team_home, name="team_home"),
    path("t/<slug:slug>/onboarding/", journey.setup, name="setup"),
    path("t/<slug:slug>/sources/", sources.sources, name="sources"),
    path(
        "t/<slug:slug>/sources/repositories/<id:repository_id>/stop/",
        sources.stop_reading,
        name="stop_reading",
    ),
    path("t/<slug:slug>/onboarding/connect/", journey.connect, name="connect"),
    path(
        "t/<slug:slug>/onboarding/connect/<slug:source>/leave/",
        journey.disconnect,
        name="disconnect",
    ),
    path("t/<slug:slug>/settings/", team_settings.team_settings, name="team_settings"),
    path("t/<slug:slug>/onboarding/app/", installing.install, name="app_install"),
    path("<slug:source>/app/installed/", installing.installed, name="app_installed"),
    path("t/<slug:slug>/onboarding/webhook/", journey.webhook, name="webhook"),
    path("t/<slug:slug>/onboarding/refresh/", journey.refresh, name="refresh"),
    path("t/<slug:slug>/onboarding/repositories/", journey.choose, name="choose"),
    path("t/<slug:slug>/onboarding/start/", journey.start, name="start"),
    path("t/<slug:slug>/onboarding/runs/<uuid:run_id>/", views.run_detail, name="run_detail"),
    path(
        "t/<slug:slug>/onboarding/runs/<uuid:run_id>/events/",
        streaming.run_events,
        name="run_events",
    ),
    path(
        "t/<slug:slug>/onboarding/runs/<uuid:run_id>/retry/", views.run_retry, name="run_retry"
    ),
    path(
        "t/<slug:slug>/onboarding/runs/<uuid:run_id>/cancel/",
        views.run_cancel,
        name="run_cancel",
    ),
    path(
        "t/<slug:slug>/onboarding/runs/<uuid:run_id>/pause/", views.run_pause, name="run_pause"
    ),
    path(
        "t/<slug:slug>/onboarding/runs/<uuid:run_id>/resume/",
        views.run_resume,
        name="run_resume",
    ),
    path(
        "t/<slug:slug>/onboarding/runs/<uuid:run_id>/workers/",
        views.run_workers,
        name="run_workers",
    ),
    path("t/<slug:slug>/onboarding/indicator/", views.indicator, name="indicator"),
    path("t/<slug:slug>/onboarding/sync-status/", views.sync_status, name="sync_status"),
]
