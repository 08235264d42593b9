"""What tokens of all kinds can read, as the sandbox of GitHub tells it over HTTP; and
listing what they read.
"""

import json
import socket
import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.connections import service
from apps.integrations.encryption import CredentialError
from apps.integrations.models import Connection, Credential, TrackedRepository
from apps.integrations.sources import base
from apps.integrations.sources.errors import CannotConnect, ConnectionProblem
from apps.integrations.sources.git.clones import find_clones
from apps.integrations.sources.git.errors import SourceDisabled
from apps.integrations.sources.github import probe as probing
from apps.integrations.sources.github.credentials import client_for, secret_for
from apps.integrations.sources.github.errors import (
    AccessDenied,
    BadCredentials,
    BadResponse,
    MissingCredentials,
    Overloaded,
    RateLimited,
    Unreachable,
)
from apps.integrations.sources.github.probe import probe
from apps.integrations.sources.sizes import in_window, weeks
from apps.metrics.models import PullRequest, Repository, TeamMember
from apps.pipelines import engine
from apps.pipelines.remedy import Remedy
from apps.teams.models import Team
from tests.fixtures.sandbox import serving
from tests.sandbox.conftest import record


def test_any_text_may_be_a_token(acme):
    found = probe(acme.url, " a token of any shape ")
    assert (found.login, len(found.page.repositories), found.private) == (
        "mara-lindqvist",
        10,
        7,
    )
    assert (found.scopes, found.expires_at, found.notes, found.of_app) == (
        None,
        None,
        [],
        False,
    )
    newest = [listed["pushed_at"] or "" for listed in found.page.repositories]
    assert newest == sorted(newest, reverse=True)


def test_a_classic_token_tells_its_scopes(acme):
    assert probe(acme.url, "ghp_abc").scopes == ["read:org", "repo"]
    public = probe(acme.url, "ghp_public")
    assert (public.scopes, public.private, len(public.page.repositories)) == (
        ["public_repo"],
        0,
        3,
    )
    (note,) = public.notes
    assert "lacks the scope “repo”" in note
    assert "public" in note


def test_a_fine_grained_token_tells_its_end(acme):
    found = probe(acme.url, "github_pat_abc")
    assert abs(found.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)


def test_an_apps_token_belongs_to_nobody(acme):
    found = probe(acme.url, "ghs_abc")
    assert (found.login, found.of_app, len(found.page.repositories)) == ("", True, 10)


def test_a_missing_permission_is_named(acme):
    with pytest.raises(AccessDenied, match="lacks “Pull requests: read”"):
        probe(acme.url, "noscope")
    newest = probe(acme.url, "t").page.repositories
    private = next(listed["name"] for listed in newest if listed["private"])
    found = probe(acme.url, f"noscope-{private.partition('/')[2]}")
    assert found.notes == [
        f"The token lacks “Pull requests: read” for {private}. Give it that permission, or leave these out."
    ]


def test_contents_are_told_from_pull_requests(acme):
    denied = {
        "type": "FORBIDDEN",
        "message": "Resource not accessible by personal access token",
    }
    path = ["pullRequests", "nodes", 0, "commits"]
    acme.faults(
        {
            "match": {"operation": "Probe"},
            "partial": True,
            "errors": [{**denied, "path": [f"r{number}", *path]} for number in range(3)],
        }
    )
    with pytest.raises(AccessDenied, match="lacks “Contents: read”"):
        probe(acme.url, "t")


def test_another_reason_of_github_is_quoted(acme):
    acme.faults({"match": {"operation": "Probe"}, "refusal": "ip_allow_list"})
    with pytest.raises(AccessDenied, match="has an IP allow list enabled") as caught:
        probe(acme.url, "t")
    assert (caught.value.cause, caught.value.remedy) == ("ip_allow_list", Remedy.OPERATOR)
    acme.faults({"match": {"operation": "GET /user"}, "refusal": "token_lifetime"})
    with pytest.raises(AccessDenied, match="greater than 366 days"):
        probe(acme.url, "t")


IP_LIST = "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list enabled, and your IP address is not permitted to access this resource."  # noqa: E501
LIFETIME = "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days."  # noqa: E501
PERMISSION = "Resource not accessible by personal access token"


def refused_by(*messages):
    """Return a fault that refuses the repositories that are tried, each with its
    messages.
    """
    errors = [
        {"type": "FORBIDDEN", "message": message, "path": [f"r{number}", "pullRequests"]}
        for number, several in enumerate(messages)
        for message in several
    ]
    return {"match": {"operation": "Probe"}, "partial": True, "errors": errors}


def test_each_kind_of_refusal_has_a_note(acme):
    acme.faults(refused_by([IP_LIST], [PERMISSION]))
    notes = probe(acme.url, "t").notes
    assert len(notes) == 2
    assert "IP allow list" in notes[0]
    assert "lacks “Pull requests: read”" in notes[1]


def test_two_refusals_of_one_repository_are_both_noted(acme):
    acme.faults(refused_by([IP_LIST, LIFETIME, PERMISSION]))
    notes = probe(acme.url, "t").notes
    assert [
        word
        for note in notes
        for word in ("IP allow list", "366 days", "Pull requests: read")
        if word in note
    ] == [
        "IP allow list",
        "366 days",
        "Pull requests: read",
    ]


def test_error_names_each_reason_if_nothing_can_be_read(acme):
    acme.faults(refused_by([IP_LIST], [PERMISSION], [PERMISSION]))
    with pytest.raises(AccessDenied) as caught:
        probe(acme.url, "t")
    assert "IP allow list" in str(caught.value)
    assert "lacks “Pull requests: read”" in str(caught.value)


def test_limit_without_a_time_shows_none(acme):
    acme.faults({"status": 403, "body": "You have exceeded a secondary rate limit."})
    with pytest.raises(RateLimited) as caught:
        probe(acme.url, "t")
    assert ConnectionProblem.of(caught.value).until is None
    acme.faults({"rate_limit": "secondary", "reset_in": 60})
    with pytest.raises(RateLimited) as caught:
        probe(acme.url, "t")
    assert ConnectionProblem.of(caught.value).until == caught.value.until


def test_single_sign_on_is_named(acme):
    with pytest.raises(AccessDenied, match="single sign-on"):
        probe(acme.url, "sso")
    found = probe(acme.url, "sso-ledger")
    assert len(found.page.repositories) == 9
    (note,) = found.notes
    assert "single sign-on" in note


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"rate_limit": "primary", "reset_in": 600}, RateLimited),
        ({"rate_limit": "secondary", "reset_in": 60}, RateLimited),
        ({"status": 502}, Overloaded),
        ({"status": 401}, BadCredentials),
        ({"malformed": True}, BadResponse),
        ({"disconnect": True}, BadResponse),
    ],
)
def test_what_github_refuses(acme, fault, error):
    acme.faults(fault)
    with pytest.raises((error, Overloaded) if fault.get("disconnect") else error) as caught:
        probe(acme.url, "a-secret-token")
    assert "a-secret-token" not in str(caught.value)


def test_wrong_missing_and_unreachable(acme):
    with pytest.raises(BadCredentials):
        probe(acme.url, "bad")
    with pytest.raises(MissingCredentials):
        probe(acme.url, "  ")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        probe(f"http://127.0.0.1:{port}", "t")


def test_a_silent_server_is_given_up(monkeypatch, acme):
    monkeypatch.setattr(probing, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(probing, "TIMEOUT", 0.5)
    acme.faults({"delay": 3})
    with pytest.raises(Overloaded):
        probe(acme.url, "t")


# Connections


@pytest.fixture
def new_team(db):
    return Team.objects.create(name="New", slug="new")


@pytest.fixture
def sample(acme, settings):
    settings.SAMPLE_URL = acme.url
    settings.GITHUB_API_URL = "http://127.0.0.1:9"
    return acme


def connect(team, source, token=""):
    return service.keep(
        team, source, None, token=token, found=service.check(team, source, token)
    )


def test_a_connection_keeps_what_was_found_and_replaces_the_earlier_one(acme, new_team):
    first = connect(new_team, "github", "ghp_abc")
    second = connect(new_team, "github", "github_pat_abc")
    assert (first.pk, len(second.listing), second.scopes) == (second.pk, 10, None)
    assert second.expires_at is not None
    assert secret_for(new_team).reveal() == "github_pat_abc"


def test_the_sample_has_its_own_address(sample, new_team, settings):
    connect(new_team, "sample")
    assert not Credential.objects.for_team(new_team).exists()
    with base.get("sample").client(new_team.pk) as client:
        assert client.get("/user")["login"] == "mara-lindqvist"
    settings.SAMPLE_URL = ""
    with pytest.raises(CredentialError, match="sample"):
        base.get("sample").client(new_team.pk)
    with pytest.raises(CannotConnect):
        service.check(new_team, "sample")


def test_figures_of_the_sample_and_ones_own_do_not_mix(sample, acme, settings, new_team):
    settings.GITHUB_API_URL = sample.url
    connect(new_team, "sample")
    with pytest.raises(CannotConnect, match="sample"):
        service.check(new_team, "github", "t")
    with pytest.raises(CannotConnect):
        service.keep(new_team, "github", None, token="t")
    other = Team.objects.create(name="Other", slug="other")
    connect(other, "github", "t")
    with pytest.raises(CannotConnect, match="another team"):
        service.check(other, "sample")


def test_leaving_the_sample_deletes_its_figures_and_no_others(sample, new_team):
    connect(new_team, "sample")
    other = Team.objects.create(name="Other", slug="other")
    for team in (new_team, other):
        repository = Repository.objects.create(team=team, source="github", full_name="acme/api")
        TrackedRepository.objects.create(team=team, repository=repository)
        member = TeamMember.objects.create(team=team, key="login:a", login="a")
        moment = timezone.now()
        PullRequest.objects.create(
            team=team,
            repository=repository,
            external_id="1",
            number=1,
            title="t",
            state="open",
            author=member,
            created_at=moment,
            updated_at=moment,
        )
    assert service.leave(new_team, "sample")
    assert not service.leave(new_team, "sample")
    for model in (Repository, TrackedRepository, PullRequest, TeamMember, Connection):
        assert not model.objects.for_team(new_team).exists()
    assert PullRequest.objects.for_team(other).count() == 1


def test_leaving_github_deletes_the_token_and_keeps_what_was_read(acme, new_team):
    connect(new_team, "github", "t")
    Repository.objects.create(team=new_team, source="github", full_name="acme/api")
    assert service.leave(new_team, "github")
    assert not Credential.objects.for_team(new_team).exists()
    assert Repository.objects.for_team(new_team).count() == 1


def test_a_source_is_not_left_under_a_run(acme, new_team):
    connect(new_team, "github", "t")
    engine.start("onboarding", subject=f"team:{new_team.pk}", params={}, send=False)
    with pytest.raises(CannotConnect, match="in progress"):
        service.leave(new_team, "github")
    assert Credential.objects.for_team(new_team).exists()


# Lists and sizes


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A sandbox of 230 repositories with a pull request each, one of them with 250 of a
    year.
    """
    folder = tmp_path_factory.mktemp("many")
    for number in range(230):
        lines = [json.dumps(record(1, repository=f"big/r{number}"))]
        (folder / f"big__r{number}.jsonl").write_text("\n".join(lines) + "\n")
    with serving(data=folder) as sandbox:
        yield sandbox


def test_long_lists_are_read_further_on_demand(many, settings, new_team, monkeypatch):
    many.reset()
    settings.GITHUB_API_URL = many.url
    monkeypatch.setattr(service, "PAGES_AT_ONCE", 1)
    connection = connect(new_team, "github", "t")
    assert (len(connection.listing), connection.listing_more) == (100, 2)
    service.read_more(connection)
    service.read_more(connection)
    service.read_more(connection)
    connection.refresh_from_db()
    assert (len(connection.listing), connection.listing_more) == (230, None)
    assert len({listed["name"] for listed in connection.listing}) == 230
    service.refresh(connection)
    assert len(connection.listing) == 100
    assert many.requests()["GET /user/repos"] == 4


def test_sizes_are_asked_once_for_twenty_at_a_time(many, settings, new_team):
    many.reset()
    settings.GITHUB_API_URL = many.url
    connection = connect(new_team, "github", "t")
    names = [listed["name"] for listed in connection.listing[:50]]
    service.measure(connection, [*names, "big/gone"])
    service.measure(connection, names)
    connection.refresh_from_db()
    assert set(connection.sizes) == set(names)
    assert many.requests()["Sizes"] == 3


def test_a_window_is_counted_where_it_is_known_and_estimated_where_not(acme, new_team):
    connection = connect(new_team, "github", "t")
    service.measure(connection, ["acme/storefront", "acme/handbook", "acme/sandbox-empty"])
    large, small, none = (
        connection.sizes[f"acme/{name}"] for name in ("storefront", "handbook", "sandbox-empty")
    )
    now = timezone.now()
    assert len(large["days"]) == 100 < large["total"]
    assert in_window(large, now - timedelta(days=14)) < 100
    year = in_window(large, now - timedelta(days=366))
    assert large["total"] * 0.7 < year <= large["total"]
    assert in_window(small, now - timedelta(days=3660)) == small["total"] == len(small["days"])
    assert in_window(none, now - timedelta(days=366)) == 0
    assert weeks(none, 12) == [0] * 12
    assert weeks(large, 52)[0] is None
    assert sum(weeks(small, 60)) == small["total"]


def test_a_list_belongs_to_its_team(acme, new_team):
    connect(new_team, "github", "t")
    other = Team.objects.create(name="Other", slug="other")
    assert service.connections_of(other) == []
    with pytest.raises(MissingCredentials):
        client_for(other)


# Clones


def test_clones_below_the_root_are_found(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (
        root / "api",
        root / "deep" / "er" / "web",
        root / "a" / "b" / "c" / "d",
        root / ".hidden",
        outside,
    ):
        folder.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", folder], check=True)
    (root / "api" / "inner").mkdir()
    subprocess.run(["git", "init", "-q", root / "api" / "inner"], check=True)
    (root / "link").symlink_to(outside)
    (root / "borrowed").mkdir()
    (root / "borrowed" / ".git").write_text(f"gitdir: {outside / '.git'}\n")
    assert find_clones(root) == (["api", "deep/er/web"], False)
    with pytest.raises(SourceDisabled):
        find_clones(None)
