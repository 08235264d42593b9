"""The addresses of teams, their members, and invitations."""

from django.urls import path

from apps.teams import email_views, join_views, views

app_name = "teams"
urlpatterns = [
    path("teams/new/", views.create, name="create"),
    path("t/<slug:slug>/members/", views.members, name="members"),
    path("t/<slug:slug>/members/<id:user_id>/role/", views.role, name="role"),
    path("t/<slug:slug>/members/<id:user_id>/remove/", views.remove, name="remove"),
    path("t/<slug:slug>/invitations/", views.invite, name="invite"),
    path("t/<slug:slug>/invitations/<id:invitation_id>/resend/", views.resend, name="resend"),
    path("t/<slug:slug>/invitations/<id:invitation_id>/revoke/", views.revoke, name="revoke"),
    path("t/<slug:slug>/join/domains/", join_views.add_domain, name="join_domain_add"),
    path(
        "t/<slug:slug>/join/domains/<id:join_domain_id>/remove/",
        join_views.remove_domain,
        name="join_domain_remove",
    ),
    path(
        "t/<slug:slug>/join/requests/<id:join_request_id>/approve/",
        join_views.approve,
        name="join_approve",
    ),
    path(
        "t/<slug:slug>/join/requests/<id:join_request_id>/decline/",
        join_views.decline,
        name="join_decline",
    ),
    path("teams/join/<id:team_id>/", join_views.ask, name="ask_to_join"),
    path("account/emails/", email_views.email_preferences, name="email_preferences"),
    path("account/emails/stop/<str:token>/", email_views.email_stop, name="email_stop"),
    # The address in weekly emails of earlier releases.
    path("weekly-mail/<str:token>/", email_views.email_stop, name="digest_stop"),
    path("invitations/<str:token>/", views.accept, name="accept"),
]
