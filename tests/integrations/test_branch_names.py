"""Which branches teams keep, by their names."""

import pytest

from apps.integrations.sources.branches import is_long_lived


@pytest.mark.parametrize(
    "name",
    [
        "main",
        "develop",
        "staging",
        "2.x",
        "1.4.x",
        "v1.2-stable",
        "6-0-stable",
        "0.11-maintenance",
        "3.8_lts",
        "release/1.4",
        "release-2.0",
        "releases/2026-q1",
        "support/1",
        "maint/5.2",
    ],
)
def test_branch_that_teams_keep_is_long_lived(name):
    assert is_long_lived(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "release-notes",
        "maintenance",
        "fix-0.11-maintenance",
        "0.11-maintenance-fix",
        "2.0",
        "12-fix-login",
        "stable-diffusion",
        "developer-docs",
        "main-menu",
    ],
)
def test_branch_of_a_change_is_not_long_lived(name):
    assert not is_long_lived(name)


def test_trunk_is_long_lived_whatever_its_name():
    assert is_long_lived("mainline", "mainline")
