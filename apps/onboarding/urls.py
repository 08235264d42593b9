"""The pages of a team's journey. The team stands in the address, and every view asks for membership."""

from django.urls import path

from apps.onboarding import views

app_name = "onboarding"
urlpatterns = [
    path("", views.landing, name="landing"),
    path("t/<slug:slug>/onboarding/runs/<uuid:run_id>/", views.run_detail, name="run_detail"),
    path("t/<slug:slug>/weeks/", views.team_weeks, name="team_weeks"),
]
