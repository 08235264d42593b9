"""Tokens, headers, REST, rate limits, the control calls and the faults, over HTTP."""

import signal
import time

import httpx
import pytest

from tests.sandbox.conftest import record
from tests.sandbox.server import start_process, start_sandbox

QUERY = """query Ledger($first: Int = 10) { repository(owner: "acme", name: "ledger") {
  pullRequests(first: $first) { nodes { number title } } } }"""
OTHER = 'query Infra { repository(owner: "acme", name: "infra") { id } }'


@pytest.fixture
def small(folder):
    """One pull request: read in no time, where generating the organization takes a
    second and more.
    """
    return folder([record(1)])


def test_a_token_is_needed_and_some_are_refused(acme, as_token):
    for token in ("bad-one", "expired-2024"):
        response = as_token(token).send(QUERY)
        assert (response.status_code, response.json()["message"]) == (401, "Bad credentials")
        assert as_token(token).http.get("/user").status_code == 401
    anonymous = httpx.post(f"{acme.http.base_url}/graphql", json={"query": QUERY})
    assert (anonymous.status_code, anonymous.json()["message"]) == (
        401,
        "This endpoint requires you to be authenticated.",
    )
    classic = httpx.get(
        f"{acme.http.base_url}/user", headers={"authorization": "token ghp_abc"}
    )
    assert classic.headers["x-oauth-scopes"] == "read:org, repo"
    assert "x-oauth-scopes" not in acme.http.get("/user").headers


def test_a_token_without_a_permission_is_told_at_the_repository(as_token):
    answer = as_token("noscope-ledger").graphql(QUERY)
    assert answer["data"] == {"repository": None}
    (error,) = answer["errors"]
    assert (error["type"], error["path"]) == ("FORBIDDEN", ["repository", "pullRequests"])
    assert error["message"] == "Resource not accessible by personal access token"
    assert "errors" not in as_token("noscope-ledger").graphql(OTHER)
    response = as_token("sso").send(QUERY)
    assert response.json()["errors"][0]["extensions"] == {"saml_failure": True}
    assert response.headers["x-github-sso"].startswith("required; url=")


def test_enterprise_paths_are_served(acme):
    assert acme.http.post("/api/graphql", json={"query": OTHER}).json()["data"]["repository"]
    assert acme.http.get("/api/v3/user").json()["login"] == "mara-lindqvist"


def test_rest_pages_repositories_with_links(acme):
    names, url = [], "/orgs/acme/repos?per_page=4"
    while url:
        response = acme.http.get(url)
        names += [repository["full_name"] for repository in response.json()]
        url = response.links.get("next", {}).get("url")
    assert len(names) == len(set(names)) == 10
    newest = acme.http.get("/user/repos", params={"sort": "pushed", "per_page": 100}).json()
    pushed = [repository["pushed_at"] or "" for repository in newest]
    assert pushed == sorted(pushed, reverse=True)
    one = acme.http.get("/repos/acme/legacy-portal").json()
    assert (one["archived"], one["owner"]["type"], one["private"]) == (
        True,
        "Organization",
        True,
    )
    for missing in ("/repos/acme/nope", "/orgs/nope/repos", "/users/acme/repos", "/nothing"):
        response = acme.http.get(missing)
        assert (response.status_code, response.json()["message"]) == (404, "Not Found")


def test_points_are_counted_in_headers_and_in_the_answer(connect, small):
    with start_sandbox(small, points=3) as url:
        client = connect(url)
        query = "{ rateLimit { limit cost used remaining nodeCount resetAt } viewer { login } }"
        first = client.send(query)
        limit = first.json()["data"]["rateLimit"]
        assert (
            limit["limit"],
            limit["cost"],
            limit["used"],
            limit["remaining"],
            limit["nodeCount"],
        ) == (3, 1, 1, 2, 0)
        assert first.headers["x-ratelimit-remaining"] == "2"
        assert first.headers["x-ratelimit-resource"] == "graphql"
        assert client.http.get("/rate_limit").json()["resources"]["graphql"]["used"] == 1
        client.data(query)
        client.data(query)
        spent = client.send(query)
        assert spent.status_code == 200
        assert spent.json()["errors"][0]["type"] == "RATE_LIMITED"
        assert spent.headers["x-ratelimit-remaining"] == "0"
        assert int(spent.headers["x-ratelimit-reset"]) > time.time()
        assert "errors" not in connect(url, "another").graphql(query)


def test_too_many_nodes_are_refused(acme):
    answer = acme.graphql(
        """{ organization(login: "acme") { repositories(first: 100) { nodes { pullRequests(first: 100) { nodes {
             reviews(first: 100) { nodes { id } } } } } } } }"""
    )
    assert answer["errors"][0]["type"] == "MAX_NODE_LIMIT_EXCEEDED"
    assert "1,010,100 possible nodes" in answer["errors"][0]["message"]


def test_a_fault_hits_as_often_and_where_it_says(acme):
    acme.faults({"match": {"repository": "acme/ledger"}, "status": 502, "times": 2, "after": 1})
    assert [acme.send(QUERY).status_code for _ in range(5)] == [200, 502, 502, 200, 200]
    acme.faults({"match": {"operation": "Infra"}, "status": 504})
    assert acme.send(QUERY).status_code == 200
    assert (
        acme.send(OTHER)
        .json()["message"]
        .startswith("We couldn't respond to your request in time")
    )
    acme.http.post("/_sandbox/reset")
    assert acme.send(OTHER).status_code == 200


def test_faults_of_the_answer(acme):
    acme.faults({"errors": [{"type": "SERVICE_UNAVAILABLE", "message": "later"}], "times": 1})
    assert acme.graphql(QUERY) == {
        "data": None,
        "errors": [{"type": "SERVICE_UNAVAILABLE", "message": "later"}],
    }
    acme.faults({"errors": [{"message": "half"}], "partial": True})
    half = acme.graphql(QUERY)
    assert half["data"]["repository"]["pullRequests"]["nodes"]
    assert half["errors"] == [{"message": "half"}]
    acme.faults({"null_nodes": True})
    nulls = acme.graphql(QUERY)
    assert [node is None for node in nulls["data"]["repository"]["pullRequests"]["nodes"]] == [
        False,
        True,
    ] * 5
    assert [error["path"] for error in nulls["errors"]] == [
        ["repository", "pullRequests", "nodes", i] for i in range(1, 10, 2)
    ]
    acme.faults({"set": {"title": None}})
    assert {
        n["title"] for n in acme.graphql(QUERY)["data"]["repository"]["pullRequests"]["nodes"]
    } == {None}
    acme.faults({"malformed": True})
    with pytest.raises(ValueError):
        acme.send(QUERY).json()
    acme.faults({"disconnect": True})
    with pytest.raises(httpx.RemoteProtocolError):
        acme.send(QUERY)


def test_faults_of_the_limits_and_of_time(acme):
    acme.faults({"rate_limit": "primary", "reset_in": 90, "times": 1})
    primary = acme.send(QUERY)
    assert (primary.status_code, primary.json()["errors"][0]["type"]) == (200, "RATE_LIMITED")
    assert primary.headers["x-ratelimit-remaining"] == "0"
    assert 80 < int(primary.headers["x-ratelimit-reset"]) - time.time() < 100
    acme.faults({"rate_limit": "secondary", "reset_in": 7})
    secondary = acme.send(QUERY)
    assert (secondary.status_code, secondary.headers["retry-after"]) == (403, "7")
    assert "secondary rate limit" in secondary.json()["message"]
    acme.faults({"delay": 0.3, "times": 1})
    started = time.monotonic()
    assert "errors" not in acme.graphql(QUERY)
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    "fault",
    [{}, {"statsu": 502}, {"match": {"repo": "x"}, "status": 500}, {"rate_limit": "third"}, 7],
)
def test_a_fault_that_is_none_is_refused(acme, fault):
    assert acme.http.post("/_sandbox/faults", json=[fault]).status_code == 422


def test_requests_are_counted_without_tokens_in_clear(acme):
    acme.data(OTHER)
    acme.data(OTHER)
    acme.http.get("/user")
    log = acme.http.get("/_sandbox/requests").json()
    assert log["total"] == 3
    assert log["operations"] == {"Infra": 2, "GET /user": 1}
    assert log["statuses"] == {"200": 3}
    assert list(log["tokens"].values()) == [3]
    assert "test-token" not in str(log)


def test_a_pull_request_can_be_changed_and_taken_back(acme):
    number = acme.data(QUERY)["repository"]["pullRequests"]["nodes"][0]["number"]
    huge = record(
        number, repository="acme/ledger", title="<b>changed</b>", body="x" * 2_000_000
    )
    assert acme.http.post("/_sandbox/pull_requests", json=[huge]).status_code == 200
    query = 'query($n: Int!) { repository(owner: "acme", name: "ledger") { pullRequest(number: $n) { title body } } }'
    assert len(acme.data(query, n=number)["repository"]["pullRequest"]["body"]) == 2_000_000
    acme.http.post("/_sandbox/reset")
    assert acme.data(query, n=number)["repository"]["pullRequest"]["title"] != "<b>changed</b>"


def test_answers_keep_a_distance_and_do_not_add_to_a_slow_callers_time(small):
    with (
        start_sandbox(small, every=0.8) as url,
        httpx.Client(base_url=url, headers={"authorization": "token x"}) as client,
    ):
        client.get("/user")
        time.sleep(0.9)
        assert timed(client) < 0.6
        assert timed(client) > 0.5


def timed(client):
    began = time.monotonic()
    client.get("/user")
    return time.monotonic() - began


def test_pace_delays_answers_and_not_each_other(small):
    with (
        start_sandbox(small, pace=0.4) as url,
        httpx.Client(base_url=url, headers={"authorization": "token x"}) as client,
    ):
        started = time.monotonic()
        client.get("/user")
        assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_even_with_a_request_waiting(small, number):
    with (
        start_process(small, pace=30) as (process, url),
        httpx.Client(
            base_url=url, headers={"authorization": "token x"}, timeout=0.2
        ) as waiting,
    ):
        with pytest.raises(httpx.ReadTimeout):
            waiting.get("/user")
        process.send_signal(number)
        process.wait(15)  # the request would take twice as long
