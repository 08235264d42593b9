"""GraphQL as GitHub answers it: paging, its limits, errors, accounts."""

import pytest

from tests.sandbox.conftest import duplicates, record

NUMBERS = """
query Numbers($name: String!, $first: Int!, $after: String, $field: IssueOrderField = CREATED_AT,
              $direction: OrderDirection = DESC, $states: [PullRequestState!]) {
  repository(owner: "acme", name: $name) {
    pullRequests(first: $first, after: $after, states: $states, orderBy: {field: $field, direction: $direction}) {
      totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      nodes { id number state createdAt updatedAt }
    }
  }
}
"""
PATH = ("repository", "pullRequests")


@pytest.mark.parametrize("field", ["CREATED_AT", "UPDATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_pages_hold_every_pull_request_once_in_order(acme, field, direction):
    nodes = list(
        acme.pages(NUMBERS, PATH, first=37, name="infra", field=field, direction=direction)
    )
    total = acme.data(NUMBERS, name="infra", first=0)["repository"]["pullRequests"][
        "totalCount"
    ]
    moments = [node["createdAt" if field == "CREATED_AT" else "updatedAt"] for node in nodes]
    assert duplicates(node["number"] for node in nodes) == []
    assert len(nodes) == total > 250
    assert moments == sorted(moments, reverse=direction == "DESC")


def test_states_choose(acme):
    by_state = {
        state: list(acme.pages(NUMBERS, PATH, name="storefront", states=[state]))
        for state in ("OPEN", "CLOSED", "MERGED")
    }
    assert all(node["state"] == state for state, nodes in by_state.items() for node in nodes)
    assert all(len(nodes) >= 10 for nodes in by_state.values())
    assert sum(map(len, by_state.values())) == len(
        list(acme.pages(NUMBERS, PATH, name="storefront"))
    )


def test_a_cursor_of_created_at_stays_right_while_pull_requests_are_opened(acme):
    before = list(acme.pages(NUMBERS, PATH, name="handbook"))
    page = acme.data(NUMBERS, name="handbook", first=10)["repository"]["pullRequests"]
    newer = record(
        90001,
        repository="acme/handbook",
        createdAt="2099-01-01T00:00:00Z",
        state="OPEN",
        mergedAt=None,
    )
    assert acme.http.post("/_sandbox/pull_requests", json=[newer]).status_code == 200
    rest = acme.data(NUMBERS, name="handbook", first=100, after=page["pageInfo"]["endCursor"])[
        "repository"
    ]["pullRequests"]
    assert [n["number"] for n in page["nodes"] + rest["nodes"]] == [n["number"] for n in before]
    assert rest["pageInfo"]["hasPreviousPage"] is True
    assert rest["totalCount"] == len(before) + 1


def test_last_and_before_page_backwards(acme):
    query = """query($last: Int!, $before: String) { repository(owner: "acme", name: "handbook") {
      pullRequests(last: $last, before: $before, orderBy: {field: CREATED_AT, direction: ASC}) {
        pageInfo { hasPreviousPage startCursor } nodes { number createdAt } } } }"""
    forwards = [
        n["number"] for n in acme.pages(NUMBERS, PATH, name="handbook", direction="ASC")
    ]
    newest = acme.data(query, last=7)["repository"]["pullRequests"]
    older = acme.data(query, last=7, before=newest["pageInfo"]["startCursor"])["repository"][
        "pullRequests"
    ]
    assert [n["number"] for n in older["nodes"] + newest["nodes"]] == forwards[-14:]
    assert older["pageInfo"]["hasPreviousPage"] is True


def test_first_is_capped_at_100(acme):
    (error,) = acme.graphql(NUMBERS, name="infra", first=101)["errors"]
    assert error["type"] == "EXCESSIVE_PAGINATION"
    assert error["path"] == ["repository", "pullRequests"]
    assert error["message"] == (
        "Requesting 101 records on the `pullRequests` connection exceeds the `first` limit of 100 records."
    )
    assert error["locations"]


def test_nodes_need_bounds_and_a_count_does_not(acme):
    query = '{ repository(owner: "acme", name: "infra") { pullRequests { totalCount %s } } }'
    assert acme.data(query % "")["repository"]["pullRequests"]["totalCount"] > 250
    (error,) = acme.graphql(query % "nodes { id }")["errors"]
    assert error["type"] == "MISSING_PAGINATION_BOUNDARIES"
    assert error["message"] == (
        "You must provide a `first` or `last` value to properly paginate the `pullRequests` connection."
    )
    fragment = query % "...f" + " fragment f on PullRequestConnection { edges { cursor } }"
    assert acme.graphql(fragment)["errors"][0]["type"] == "MISSING_PAGINATION_BOUNDARIES"


def test_a_cursor_that_is_none_is_refused(acme):
    (error,) = acme.graphql(NUMBERS, name="infra", first=5, after="abc")["errors"]
    assert (error["type"], error["message"]) == (
        "INVALID_CURSOR_ARGUMENTS",
        "`abc` does not appear to be a valid cursor.",
    )


def test_what_is_not_there_is_null_beside_what_is(acme):
    answer = acme.graphql(
        """{ a: repository(owner: "acme", name: "nope") { id }
             b: repository(owner: "ACME", name: "Infra") { nameWithOwner } }"""
    )
    assert answer["data"] == {"a": None, "b": {"nameWithOwner": "acme/infra"}}
    (error,) = answer["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["a"])
    assert error["message"] == "Could not resolve to a Repository with the name 'acme/nope'."
    owners = acme.graphql('{ organization(login: "nope") { id } user(login: "nobody") { id } }')
    assert [error["type"] for error in owners["errors"]] == ["NOT_FOUND", "NOT_FOUND"]


def test_unknown_node_ids_are_null_with_an_error_each(acme):
    known = acme.data(NUMBERS, name="infra", first=1)["repository"]["pullRequests"]["nodes"][0]
    answer = acme.graphql(
        "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on PullRequest { number } } }",
        ids=["PR_nope", known["id"]],
    )
    assert answer["data"]["nodes"] == [
        None,
        {"__typename": "PullRequest", "number": known["number"]},
    ]
    (error,) = answer["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["nodes", 0])
    assert error["message"] == "Could not resolve to a node with the global id of 'PR_nope'"


def test_an_invalid_query_is_answered_with_200_and_errors(acme):
    for query in (
        "{ repository(",
        '{ repository(owner: "a", name: "b") { nope } }',
        "query A { viewer { login } } query B",
    ):
        answer = acme.graphql(query)
        assert answer["errors"][0]["message"]
        assert "data" not in answer
    missing = acme.graphql("query($n: String!) { organization(login: $n) { id } }")
    assert "data" not in missing
    assert acme.http.post("/graphql", content=b"{").status_code == 400


def test_a_field_that_is_not_served_says_so(acme):
    (error,) = acme.graphql(
        '{ repository(owner: "acme", name: "infra") { milestones(first: 1) { totalCount } } }'
    )["errors"]
    assert error["message"] == "The sandbox does not serve Repository.milestones."


def test_owners_list_their_repositories(acme):
    fields = "totalCount nodes { nameWithOwner isPrivate isArchived isEmpty pushedAt defaultBranchRef { name } }"
    data = acme.data(
        f"""{{ viewer {{ login databaseId organizations(first: 5) {{ nodes {{ login name }} }}
          repositories(first: 50, ownerAffiliations: [OWNER, ORGANIZATION_MEMBER]) {{ totalCount }} }}
          organization(login: "acme") {{
            repositories(first: 50, orderBy: {{field: NAME, direction: ASC}}) {{ {fields} }} }}
          repositoryOwner(login: "acme") {{ __typename login
            repositories(first: 1, isArchived: true) {{ {fields} }} }} }}"""
    )
    assert data["viewer"]["organizations"]["nodes"] == [
        {"login": "acme", "name": "Acme Engineering"}
    ]
    repositories = {
        node["nameWithOwner"]: node for node in data["organization"]["repositories"]["nodes"]
    }
    assert data["viewer"]["repositories"]["totalCount"] == len(repositories) == 10
    assert repositories["acme/sandbox-empty"]["isEmpty"] is True
    assert repositories["acme/sandbox-empty"]["defaultBranchRef"] is None
    assert repositories["acme/ledger"]["defaultBranchRef"] == {"name": "main"}
    assert data["repositoryOwner"]["__typename"] == "Organization"
    assert [
        node["nameWithOwner"] for node in data["repositoryOwner"]["repositories"]["nodes"]
    ] == ["acme/legacy-portal"]
