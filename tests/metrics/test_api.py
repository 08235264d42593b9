"""The JSON interface: only with a team's token, only that team's figures, as the document says."""

import json

import pytest
from django.urls import reverse

from apps.metrics.export import weekly_rows
from apps.metrics.models import ApiToken, PullRequest, Scope
from apps.metrics.weekly import recompute
from apps.teams.services import create_team
from apps.users.models import User
from tests.metrics.pages import merged


@pytest.fixture
def owner(db):
    return User.objects.create_user("lead@acme.example")


@pytest.fixture
def token(client, team, owner):
    team.memberships.create(user=owner, role="owner")
    client.force_login(owner)
    html = client.post(reverse("metrics:api_tokens", args=[team.slug]), {"name": "Report"}).content.decode()
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
        merged(repository, weeks_ago, 5 + weeks_ago, number=weeks_ago + 1, title=f"Change {weeks_ago}")
    recompute(repository.team_id)


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer fl_guess", "Basic abc", "Bearer ghp_x", "fl_x"])
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
    assert items == json.loads(json.dumps(list(weekly_rows(team.pk, Scope.REPOSITORY, everything=True))))
    week = items[1]["week"]
    assert [row["week"] for row in ask("weekly", **{"from": "2026-01-26", "to": "2026-02-01"}).json()["items"]] == [
        "2026-W05"
    ]
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
    [("weekly", {"by": "planet"}), ("weekly", {"from": "soon"}), ("pull_requests", {"state": "odd"}),
     ("pull_requests", {"limit": "0"}), ("pull_requests", {"before": "x"})],
)  # fmt: skip
def test_a_query_that_cannot_be_used_is_explained(ask, name, query):
    answer = ask(name, **query)
    assert answer.status_code == 400
    assert "is" in answer.json()["error"]


def test_another_teams_figures_are_not_there(ask, team, owner, history):
    other = create_team("Other", owner)
    pull = PullRequest.objects.for_team(team).first()
    PullRequest.objects.for_team(team).filter(pk=pull.pk).update(team=other)
    assert pull.pk not in {row["id"] for row in ask("pull_requests").json()["items"]}


def test_members_make_no_tokens(client, team):
    member = User.objects.create_user("member@acme.example")
    team.memberships.create(user=member, role="member")
    client.force_login(member)
    assert client.post(reverse("metrics:api_tokens", args=[team.slug]), {"name": "x"}).status_code == 403
    assert not ApiToken.objects.for_team(team).exists()


def test_the_answers_are_what_the_document_says(client, ask, history):
    document = client.get(reverse("metrics:api_openapi")).json()
    assert document["openapi"].startswith("3.1")
    base = document["servers"][0]["url"]
    names = {
        "/weekly": ("weekly", "Week"),
        "/pull-requests": ("pull_requests", "PullRequest"),
        "/insights": ("insights", "Insight"),
    }
    assert set(document["paths"]) == set(names)
    for path, (name, schema) in names.items():
        assert f"{base}{path}" == f"http://testserver{reverse(f'metrics:api_{name}')}"
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer["properties"]["items"]["items"]["$ref"] == f"#/components/schemas/{schema}"
        properties = document["components"]["schemas"][schema]["properties"]
        body = ask(name).json()
        assert set(body) == set(answer["properties"])
        for row in body["items"]:
            assert set(row) <= set(properties)
            for key, value in row.items():
                assert fits(value, properties[key]), (path, key, value)


def fits(value, schema):
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    python = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
        "array": list,
        "object": dict,
    }
    return any(isinstance(value, python[kind]) for kind in kinds)
