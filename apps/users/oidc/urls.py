"""Addresses of sign-in through OpenID Connect. allauth includes them below
/accounts/.
"""

from django.urls import path

from apps.users.oidc import views

urlpatterns = [
    path("oidc/login/", views.login, name="openid_connect_login"),
    path("oidc/login/callback/", views.callback, name="openid_connect_callback"),
    path("oidc/check/", views.check, name="openid_connect_check"),
]
