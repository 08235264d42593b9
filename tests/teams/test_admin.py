"""The admin reads all teams' rows through `TeamScopedAdmin`, in lists, forms, choices
and deletions.
"""

import pytest
from django.contrib import admin
from django.test import RequestFactory

from apps.metrics.models import PullRequest, Repository
from apps.teams.admin import TeamScopedAdmin
from apps.teams.scoping import UnscopedQuery
from apps.users.models import User


class PullRequestInline(TeamScopedAdmin, admin.TabularInline):
    model = PullRequest
    fields = ("title", "author")
    extra = 0


class RepositoryAdmin(TeamScopedAdmin, admin.ModelAdmin):
    inlines = (PullRequestInline,)
    search_fields = ("full_name",)


class PullRequestAdmin(TeamScopedAdmin, admin.ModelAdmin):
    fields = ("title", "repository", "author")


class PlainAdmin(admin.ModelAdmin):
    pass


@pytest.fixture
def request_of_root(db):
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root@example.com")
    return request


@pytest.fixture
def site():
    site = admin.AdminSite("scoped")
    site.register(Repository, RepositoryAdmin)
    site.register(PullRequest, PullRequestAdmin)
    return site


def test_lists_and_forms_show_all_teams(site, request_of_root, acme, globex):
    model_admin = site.get_model_admin(PullRequest)
    listed = model_admin.get_changelist_instance(request_of_root).queryset
    assert listed.count() == 4
    form = model_admin.get_form(request_of_root)(instance=acme.pulls[0])
    assert {label for _, label in form.fields["repository"].choices if "/" in label} == {
        "acme/api",
        "globex/api",
    }


def test_ordered_choices_are_read_too(site, request_of_root, acme, globex):
    site.get_model_admin(Repository).ordering = ("-full_name",)
    form = site.get_model_admin(PullRequest).get_form(request_of_root)(instance=acme.pulls[0])
    labels = [label for _, label in form.fields["repository"].choices if "/" in label]
    assert labels == ["globex/api", "acme/api"]


def test_pages_render(site, request_of_root, acme):
    model_admin = site.get_model_admin(Repository)
    formsets = [
        inline.get_formset(request_of_root)(
            instance=acme.repository, queryset=inline.get_queryset(request_of_root)
        )
        for inline in model_admin.get_inline_instances(request_of_root)
    ]
    assert "acme 1" in str(formsets[0])
    assert model_admin.get_object(request_of_root, str(acme.repository.pk)) == acme.repository
    _, counts, _, protected = model_admin.get_deleted_objects(
        [acme.repository], request_of_root
    )
    assert counts["pull requests"] == 2
    assert not protected


def test_without_the_mixin_the_admin_is_refused(request_of_root, acme):
    with pytest.raises(UnscopedQuery):
        list(PlainAdmin(PullRequest, admin.AdminSite()).get_queryset(request_of_root))
