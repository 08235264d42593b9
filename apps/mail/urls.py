"""Mails that were kept, readable while DEBUG is on."""

from django.urls import URLPattern

app_name = "mail"
urlpatterns: list[URLPattern] = []
