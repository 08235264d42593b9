import pytest

from apps.integrations.sources.git.people import person


def test_a_private_address_of_github_gives_the_account():
    ann = person("Ann Lee", "12345+Ann-Lee@users.noreply.github.com")
    assert (ann.login, ann.name, ann.github_id, ann.is_bot) == (
        "Ann-Lee",
        "Ann Lee",
        12345,
        False,
    )
    assert person("Ann", "ann@users.noreply.github.com").login == "ann"
    assert person("Ann", "ann@users.noreply.github.com").github_id is None


def test_other_addresses_give_logins_that_stay_apart():
    first, second = person("Ann", "ann@one.example"), person("Ann", "ann@two.example")
    assert first.login.startswith("ann~")
    assert first.login != second.login
    assert person("Ann L.", "ANN@one.example").login == first.login
    assert person("Ann", "12+ann@users.noreply.github.com.evil.example").github_id is None


def test_a_signature_without_an_address_goes_by_its_name():
    assert person("Ann Lee", "").login.startswith("Ann Lee~")
    assert person("", "") is None
    assert person("%aN", "%aE") is None


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"),
        ("github-actions[bot]", "actions@example.com"),
        ("renovate-bot", "x@example.com"),
        ("CI", "ci-bot@example.com"),
        ("Deploy", "bot@example.com"),
        ("Copilot", "198982749+Copilot@users.noreply.github.com"),
    ],
)
def test_bots(name, email):
    assert person(name, email).is_bot


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("The Abbot", "abbot@example.com"),
        ("Jan Bot", "jan@example.com"),
        ("Robotics", "robot@example.com"),
        ("Botha", "botha@bot.example.com"),
        ("Claude Monet", "claude@example.com"),
    ],
)
def test_people_are_not_bots(name, email):
    assert not person(name, email).is_bot


def test_names_lose_control_characters_and_keep_markup():
    someone = person("<script>alert(1)</script>\x1b[2J\n", "a\x07b@example.com")
    assert someone.name == "<script>alert(1)</script> [2J"
    assert "\x07" not in someone.login
