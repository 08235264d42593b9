"""All addresses of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path

from apps import converters  # noqa: F401 - registers the converters that the apps' paths use
from apps.users.confirm import confirm_email

# The admin's own login page would accept passwords without a rate limit and a second
# factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("admin/", admin.site.urls),
    re_path(
        r"^accounts/confirm-email/(?P<key>[-:\w]+)/$",
        confirm_email,
        name="account_confirm_email",
    ),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.users.urls")),
    path("", include("apps.mail.urls")),
    path("", include("apps.teams.urls")),
    path("", include("apps.integrations.webhooks.urls")),
    path("", include("apps.metrics.urls")),
    path("", include("apps.onboarding.urls")),
]

handler500 = "project.errors.server_error"
