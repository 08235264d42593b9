"""Points and nodes by GitHub's published rule, against the worked examples of its
documentation.
"""

import pytest
from graphql import get_operation_ast, parse, validate

from apps.sandbox.cost import Cost, cost_of
from apps.sandbox.schema import load_schema


@pytest.fixture(scope="module")
def schema():
    return load_schema()


@pytest.fixture
def cost(schema):
    def of(query, **variables):
        document = parse(query)
        assert validate(schema, document) == []
        return cost_of(schema, document, get_operation_ast(document), variables)

    return of


def test_the_worked_example_of_points(cost):
    found = cost(
        """query { viewer { login repositories(first: 100) { edges { node { id
             issues(first: 50) { edges { node { id
               labels(first: 60) { edges { node { id name } } } } } } } } } } }"""
    )
    assert found.requests == 1 + 100 + 5_000
    assert found.points == 51


def test_the_simple_worked_example_of_nodes(cost):
    found = cost(
        """{ viewer { repositories(first: 50) { edges { node { name
             issues(first: 10) { totalCount edges { node { title } } } } } } } }"""
    )
    assert found.nodes == 550


def test_the_complex_worked_example_of_nodes(cost):
    found = cost(
        """{ viewer {
          repositories(first: 50) { edges { repository: node { name
            pullRequests(first: 20) { edges { pullRequest: node { title
              comments(first: 10) { edges { comment: node { bodyHTML } } } } } }
            issues(first: 20) { totalCount edges { issue: node { title bodyHTML
              comments(first: 10) { edges { comment: node { bodyHTML } } } } } } } } }
          followers(first: 10) { edges { follower: node { login } } } } }"""
    )
    assert found.nodes == 22_060


PAGE = """query($first: Int = 25, $ids: [ID!] = [], $detail: Boolean = true) {
  repository(owner: "o", name: "n") { pullRequests(first: $first) { nodes { ...all } } }
  nodes(ids: $ids) { ... on PullRequest { commits(first: 50) { nodes { id } } } }
}
fragment all on PullRequest {
  labels(first: 10) { nodes { name } }
  ...inner @include(if: $detail)
  ... on PullRequest { labels(first: 10) { totalCount } }
}
fragment inner on PullRequest { reviews(last: 30) { nodes { id } } reviewThreads { totalCount } }
"""


def test_variables_defaults_fragments_and_directives_count(cost):
    assert cost(PAGE) == Cost(1 + 25 * 3, 25 + 25 * 10 + 25 * 30)
    assert cost(PAGE, first=100) == Cost(1 + 100 * 3, 100 + 100 * 40)
    assert cost(PAGE, first=100, detail=False) == Cost(101, 1_100)
    assert cost(PAGE, first=0, ids=["a", "b"]) == Cost(1 + 2, 2 + 2 * 50)


@pytest.mark.parametrize(
    ("requests", "points"), [(0, 1), (1, 1), (149, 1), (150, 2), (250, 3), (5101, 51)]
)
def test_points_round_half_up_and_are_at_least_one(requests, points):
    assert Cost(requests, 0).points == points
