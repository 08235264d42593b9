"""The addresses of the dashboard and of the pages behind it.

Each address contains the team, and every view checks the membership.
"""

from django.urls import path

from apps.metrics.api import state
from apps.metrics.api import views as api
from apps.metrics.pages import accounts, compare, downloads, settings, views

app_name = "metrics"
urlpatterns = [
    path("t/<slug:slug>/", views.dashboard, name="dashboard"),
    path("t/<slug:slug>/compare/", compare.comparison, name="compare"),
    path("t/<slug:slug>/findings/dismiss/", views.dismiss, name="dismiss"),
    path("t/<slug:slug>/findings/restore/", views.restore, name="restore"),
    path("t/<slug:slug>/pull-requests/", views.pull_requests, name="pull_requests"),
    path(
        "t/<slug:slug>/pull-requests/<id:pull_id>/correct/",
        views.correct_pull,
        name="correct_pull",
    ),
    path("t/<slug:slug>/api/", settings.api_tokens, name="api_tokens"),
    path("api/v1/openapi.json", api.openapi, name="api_openapi"),
    path("api/v1/weekly", api.weekly, name="api_weekly"),
    path("api/v1/pull-requests", api.pull_requests, name="api_pull_requests"),
    path("api/v1/insights", api.insights, name="api_insights"),
    path("api/v1/state", state.state, name="api_state"),
    path("api", api.nothing, name="api_root"),
    path("api/", api.nothing, name="api_root"),
    path("api/<path:rest>", api.nothing, name="api_nothing"),
    path("t/<slug:slug>/measures/", views.measures, name="measures"),
    path("t/<slug:slug>/ai/", settings.ai_reading, name="ai_reading"),
    path("t/<slug:slug>/ai/progress/", settings.ai_progress, name="ai_progress"),
    path("t/<slug:slug>/repositories/", views.repositories, name="repositories"),
    path("t/<slug:slug>/people/", views.people, name="people"),
    path("t/<slug:slug>/people/<id:member_id>/", views.member, name="member"),
    path("t/<slug:slug>/people/<id:member_id>/bot/", accounts.decide_bot, name="decide_bot"),
    path(
        "t/<slug:slug>/people/<id:member_id>/join/",
        accounts.join_accounts,
        name="join_accounts",
    ),
    path(
        "t/<slug:slug>/charts/<slug:key>.csv",
        downloads.chart_data,
        {"kind": "csv"},
        name="chart_csv",
    ),
    path(
        "t/<slug:slug>/charts/<slug:key>.json",
        downloads.chart_data,
        {"kind": "json"},
        name="chart_json",
    ),
    path("t/<slug:slug>/weekly.csv", downloads.weekly_csv, name="weekly_csv"),
    path("t/<slug:slug>/weekly.json", downloads.weekly_json, name="weekly_json"),
]
