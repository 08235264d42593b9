"""Making a team, its members, invitations."""

from django.urls import path

from apps.teams import views

app_name = "teams"
urlpatterns = [
    path("teams/new/", views.create, name="create"),
    path("t/<slug:slug>/members/", views.members, name="members"),
    path("t/<slug:slug>/members/<int:user_id>/role/", views.role, name="role"),
    path("t/<slug:slug>/members/<int:user_id>/remove/", views.remove, name="remove"),
    path("t/<slug:slug>/invitations/", views.invite, name="invite"),
    path("t/<slug:slug>/invitations/<int:invitation_id>/resend/", views.resend, name="resend"),
    path("t/<slug:slug>/invitations/<int:invitation_id>/revoke/", views.revoke, name="revoke"),
    path("invitations/<str:token>/", views.accept, name="accept"),
]
