"""The dashboard and what it leads to. The team stands in the address, and every view asks for membership."""

from django.urls import URLPattern

app_name = "metrics"
urlpatterns: list[URLPattern] = []
