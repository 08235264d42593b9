"""Every query that we send is valid under GitHub's public schema."""

import pytest
from graphql import build_schema, parse, validate

from apps.integrations.sources.github import queries
from tests.sandbox.server import ROOT

SCHEMA = ROOT / "node_modules" / "@octokit" / "graphql-schema" / "schema.graphql"


@pytest.fixture(scope="module")
def schema():
    assert SCHEMA.is_file(), "GitHub's schema is missing: run make setup"
    return build_schema(SCHEMA.read_text(encoding="utf-8"), assume_valid=True)


@pytest.mark.parametrize("name", sorted(queries.ALL))
def test_is_valid(schema, name):
    document = parse(queries.ALL[name])
    assert validate(schema, document) == []
    assert document.definitions[0].name.value == name


def test_no_query_is_left_out():
    written = {
        value
        for key, value in vars(queries).items()
        if isinstance(value, str) and value.lstrip().startswith("query ")
    }
    assert written <= set(queries.ALL.values())
