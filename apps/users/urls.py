"""The addresses of accounts that allauth does not have."""

from django.urls import path

from apps.users import views
from apps.users.oidc import recovery_views

app_name = "users"
urlpatterns = [
    path("sign-in/<str:token>/", views.sign_in_link, name="sign_in_link"),
    path("recovery/<str:token>/", recovery_views.recover, name="recover"),
]
