"""Accounts: what allauth does not have."""

from django.urls import URLPattern

app_name = "users"
urlpatterns: list[URLPattern] = []
