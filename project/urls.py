"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.users.urls")),
    path("", include("apps.mail.urls")),
    path("", include("apps.teams.urls")),
    path("", include("apps.integrations.urls")),
    path("", include("apps.metrics.urls")),
    path("", include("apps.onboarding.urls")),
]
