"""The JSON interface: only with a team's token, only that team's figures, as the
document says.
"""

import json
from datetime import UTC, date, datetime, timedelta

import jsonschema_rs
import pytest
from django.test import Client
from django.urls import reverse

from apps.metrics.factories import PullRequestFactory
from apps.metrics.figures.export import weekly_rows
from apps.metrics.figures.weekly import recompute
from apps.metrics.models import ApiToken, Insight, PullRequest, Scope
from apps.teams.services import create_team
from apps.users.models import User
from project.errors import server_error
from tests.metrics.pages import merged


@pytest.fixture
def owner(db):
    return User.objects.create_user("lead@acme.example")


@pytest.fixture
def token(client, team, owner):
    team.memberships.create(user=owner, role="owner")
    client.force_login(owner)
    html = client.post(
        reverse("metrics:api_tokens", args=[team.slug]), {"name": "Report"}
    ).content.decode()
    client.logout()
    return html.split('value="fl_')[1].split('"')[0]


@pytest.fixture
def ask(client, token):
    def ask(name, text=None, **query):
        headers = {"Authorization": f"Bearer fl_{token}" if text is None else text}
        return client.get(reverse(f"metrics:api_{name}"), query, headers=headers)

    return ask


@pytest.fixture
def history(repository):
    for weeks_ago in range(4):
        merged(
            repository,
            weeks_ago,
            5 + weeks_ago,
            number=weeks_ago + 1,
            title=f"Change {weeks_ago}",
        )
    recompute(repository.team_id)


@pytest.mark.parametrize(
    "text", ["", "Bearer", "Bearer fl_guess", "Basic abc", "Bearer ghp_x", "fl_x"]
)
@pytest.mark.parametrize("name", ["weekly", "pull_requests", "insights"])
def test_without_a_token_nothing_is_said(ask, history, name, text):
    answer = ask(name, text)
    assert answer.status_code == 401
    assert set(answer.json()) == {"error"}


def test_a_session_is_no_token(client, team, owner, token, history):
    client.force_login(owner)
    assert client.get(reverse("metrics:api_weekly")).status_code == 401


def test_the_text_of_a_token_is_kept_nowhere(token, team):
    row = ApiToken.objects.for_team(team).get()
    assert token not in json.dumps([row.digest, row.hint, row.name])
    assert row.hint == f"fl_{token[:5]}"


def test_a_revoked_token_is_refused(client, ask, team, owner, history):
    assert ask("weekly").status_code == 200
    client.force_login(owner)
    row = ApiToken.objects.for_team(team).get()
    assert row.used_at is not None
    client.post(reverse("metrics:api_tokens", args=[team.slug]), {"revoke": row.pk})
    assert ask("weekly").status_code == 401


def test_the_weeks_are_those_of_the_export(ask, team, history):
    items = ask("weekly", by="repository").json()["items"]
    assert items == json.loads(
        json.dumps(list(weekly_rows(team.pk, Scope.REPOSITORY, everything=True)))
    )
    week = items[1]["week"]
    assert [
        row["week"]
        for row in ask("weekly", **{"from": "2026-01-26", "to": "2026-02-01"}).json()["items"]
    ] == ["2026-W05"]
    assert week


def test_pull_requests_come_a_page_at_a_time_each_once(ask, team, history):
    seen, before = [], None
    while True:
        answer = ask("pull_requests", limit=3, **({"before": before} if before else {})).json()
        seen += [row["title"] for row in answer["items"]]
        before = answer["next"]
        if before is None:
            break
    assert sorted(seen) == [f"Change {n}" for n in range(4)]
    assert ask("pull_requests", state="open").json()["items"] == []


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("weekly", {"by": "planet"}),
        ("weekly", {"from": "soon"}),
        ("weekly", {"from": ""}),
        ("weekly", {"to": "20260209"}),
        ("weekly", {"to": "2026-W07-1"}),
        ("weekly", {"to": "2026-02-30"}),
        ("pull_requests", {"repository": ""}),
        ("pull_requests", {"before": "-1"}),
        ("pull_requests", {"before": "1.2.3\n"}),
        ("pull_requests", {"before": ""}),
        ("pull_requests", {"before": "x"}),
        ("pull_requests", {"state": "odd"}),
        ("pull_requests", {"limit": "0"}),
    ],
)
def test_a_query_that_cannot_be_used_is_explained(ask, name, query):
    answer = ask(name, **query)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_another_teams_figures_are_not_there(ask, team, owner, history):
    other = create_team("Other", owner)
    pull = PullRequest.objects.for_team(team).first()
    PullRequest.objects.for_team(team).filter(pk=pull.pk).update(team=other)
    assert pull.pk not in {row["id"] for row in ask("pull_requests").json()["items"]}


def test_members_make_no_tokens(client, team):
    member = User.objects.create_user("member@acme.example")
    team.memberships.create(user=member, role="member")
    client.force_login(member)
    assert (
        client.post(reverse("metrics:api_tokens", args=[team.slug]), {"name": "x"}).status_code
        == 403
    )
    assert not ApiToken.objects.for_team(team).exists()


@pytest.fixture
def generated_client(client, ask, token):
    """A client made from the document alone: one function per operation, and a
    validator of each answer.
    """
    document = client.get(reverse("metrics:api_openapi")).json()
    base = document["servers"][0]["url"].removeprefix("http://testserver")

    def call(operation, **parameters):
        (path,) = [
            path
            for path, methods in document["paths"].items()
            if methods["get"]["operationId"] == operation
        ]
        described = document["paths"][path]["get"]
        assert set(parameters) <= {one["name"] for one in described["parameters"]}
        answer = client.get(
            f"{base}{path}", parameters, headers={"Authorization": f"Bearer fl_{token}"}
        )
        schema = described["responses"][str(answer.status_code)]["content"]["application/json"][
            "schema"
        ]
        whole = {"components": document["components"], **schema}
        jsonschema_rs.validator_for(whole).validate(answer.json())
        return answer.json()

    call.operations = [methods["get"]["operationId"] for methods in document["paths"].values()]
    return call


@pytest.fixture
def insight(team):
    values = {
        "date": date(2026, 2, 9),
        "rule": "review-wait",
        "subject": "team",
        "title": "Waits grew",
    }
    return Insight.objects.for_team(team).create(
        team=team, **values, evidence={"pull_requests": [1, 2]}
    )


def test_generated_client_lists_everything(generated_client, team, history, insight):
    assert generated_client.operations == ["listWeeks", "listPullRequests", "listInsights"]
    seen, parameters = [], {"limit": 1}
    while True:
        page = generated_client("listPullRequests", **parameters)
        seen += [row["id"] for row in page["items"]]
        if page["next"] is None:
            break
        parameters["before"] = page["next"]
    expected = (
        PullRequest.objects.for_team(team).order_by("-created_at").values_list("pk", flat=True)
    )
    assert seen == list(expected)
    assert len(generated_client("listInsights")["items"]) == 1
    for scope in Scope.values:
        assert len(generated_client("listWeeks", by=scope)["items"]) > 0
    assert "error" in generated_client("listWeeks", by="planet")


def test_each_scope_has_a_schema_of_its_own(client):
    schemas = client.get(reverse("metrics:api_openapi")).json()["components"]["schemas"]
    fields = {
        name: set(schemas[name]["required"])
        for name in ("TeamWeek", "RepositoryWeek", "MemberWeek")
    }
    assert fields["RepositoryWeek"] - fields["TeamWeek"] == {"repository"}
    assert fields["MemberWeek"] - fields["TeamWeek"] == {"member"}
    assert "ai_by_tool" not in fields["TeamWeek"]


def test_pull_requests_come_by_creation_and_number(ask, team, repository):
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    numbers = {}
    # Read in the wrong order: the oldest last.
    for number, days in ((3, 2), (9, 2), (None, 2), (1, 5), (7, 0)):
        created = moment + timedelta(days=days)
        numbers[
            PullRequestFactory(repository=repository, number=number, created_at=created).pk
        ] = number
    seen, before = [], {}
    while True:
        page = ask("pull_requests", limit=1, **before).json()
        seen += [row["number"] for row in page["items"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
        # The row that a cursor came from may go.
        PullRequest.objects.for_team(team).filter(pk=page["items"][0]["id"]).delete()
    assert seen == [1, 9, 3, None, 7]


@pytest.mark.parametrize(
    "cursor", ["999999999999999999.9999999999.1", "-999999999999999999.0.999999999999999999"]
)
def test_cursor_beyond_the_calendar_is_answered(ask, history, cursor):
    assert ask("pull_requests", before=cursor).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("name", ["openapi", "weekly", "pull_requests", "insights"])
def test_other_methods_get_405_in_json(token, name, method):
    strict = Client(enforce_csrf_checks=True)
    answer = getattr(strict, method)(
        reverse(f"metrics:api_{name}"), headers={"Authorization": f"Bearer fl_{token}"}
    )
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("method", ["get", "post", "put", "options"])
@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v1/weekly/", "/api/v2/weekly"]
)
def test_unknown_address_gets_404_in_json(db, path, method):
    answer = getattr(Client(enforce_csrf_checks=True), method)(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_failure_of_the_api_is_answered_in_json(rf, db):
    answer = server_error(rf.get("/api/v1/weekly"))
    assert answer.status_code == 500
    assert set(json.loads(answer.content)) == {"error"}
