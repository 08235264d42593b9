import json
import os
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.sandbox.server import ROOT, start_sandbox

SAMPLE = Path(os.environ.get("SAMPLE_DIR", ROOT.parent / "shared" / "sample"))


class Client:
    """GitHub's API at `url` with one token."""

    def __init__(self, url, token="test-token"):
        self.http = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30
        )

    def send(self, query, **variables):
        return self.http.post("/graphql", json={"query": query, "variables": variables})

    def graphql(self, query, **variables):
        response = self.send(query, **variables)
        assert response.status_code == 200, response.text
        return response.json()

    def data(self, query, **variables):
        answer = self.graphql(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def faults(self, *faults):
        response = self.http.post("/_sandbox/faults", json=list(faults))
        assert response.status_code == 200, response.text

    def pages(self, query, path, first=100, **variables):
        """Nodes of every page of the connection at `path` (a tuple of keys)."""
        after = None
        while True:
            found = self.data(query, first=first, after=after, **variables)
            for key in path:
                found = found[key]
            yield from found["nodes"]
            if not found["pageInfo"]["hasNextPage"]:
                return
            after = found["pageInfo"]["endCursor"]


@pytest.fixture
def connect():
    """Makes clients of any sandbox, closed after the test."""
    clients = []

    def make(url, token="test-token"):
        clients.append(Client(url, token))
        return clients[-1]

    yield make
    for client in clients:
        client.http.close()


@pytest.fixture(scope="session")
def acme_url():
    """The generated organization."""
    with start_sandbox() as url:
        yield url


@pytest.fixture
def acme(acme_url, connect):
    client = connect(acme_url)
    client.http.post("/_sandbox/reset")
    return client


@pytest.fixture
def as_token(acme_url, acme, connect):
    """A client of the generated organization with another token."""
    return lambda token: connect(acme_url, token)


def record(number, **changes):
    """One pull request in the shape of the files."""
    base = {
        "repository": "octo/hello",
        "number": number,
        "title": f"Change {number}",
        "body": "",
        "state": "MERGED",
        "createdAt": f"2026-03-{number % 27 + 1:02}T10:00:00Z",
        "mergedAt": "2026-04-01T10:00:00Z",
        "author": {"login": "ada", "name": "Ada", "isBot": False},
        "commits": [
            {
                "oid": f"{number:040x}",
                "message": f"Change {number}",
                "authoredDate": "2026-03-01T09:00:00Z",
                "author": {"login": "ada"},
            }
        ],
        "reviews": [],
    }
    return base | changes


@pytest.fixture
def folder(tmp_path):
    """Writes records (or raw lines) into a folder of pull request files."""

    def write(lines, name="octo__hello.jsonl"):
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
        return tmp_path

    return write


def duplicates(items):
    return [item for item, count in Counter(items).items() if count > 1]
