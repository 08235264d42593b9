"""Folders of pull request files: what is invented for them, and what is refused."""

import pytest

from apps.sandbox import files
from tests.sandbox.conftest import record
from tests.sandbox.server import SandboxFailed, start_sandbox

AUTHORS = """{ repository(owner: "octo", name: "hello") { pullRequests(first: 10) { nodes {
  id databaseId fullDatabaseId url headRefName
  author { __typename login ... on User { databaseId } ... on Bot { databaseId } }
  commits(first: 1) { nodes { commit { author { name email user { login databaseId } } } } }
  reviews(first: 5) { nodes { author { __typename login } state } }
} } } }"""


def test_people_bots_and_deleted_accounts_are_those_of_github(folder, connect):
    commit = record(1)["commits"][0]
    bot = {"login": "dependabot[bot]", "name": "dependabot[bot]", "isBot": True}
    data = folder(
        [
            record(
                1, reviews=[{"author": {"login": "coderabbitai[bot]"}, "state": "COMMENTED"}]
            ),
            record(2, author=bot, commits=[{**commit, "author": {"login": "dependabot[bot]"}}]),
            record(3, author=None, commits=[{**commit, "author": None}]),
            record(4, headRefName="topic/x"),
        ]
    )
    with start_sandbox(data) as url:
        person, dependabot, ghost, other = connect(url).data(AUTHORS)["repository"][
            "pullRequests"
        ]["nodes"]
    ada = person["author"]["databaseId"]
    assert person["author"] == {"__typename": "User", "login": "ada", "databaseId": ada}
    assert other["author"]["databaseId"] == ada
    assert person["commits"]["nodes"][0]["commit"]["author"]["user"] == {
        "login": "ada",
        "databaseId": ada,
    }
    assert person["reviews"]["nodes"] == [
        {"author": {"__typename": "Bot", "login": "coderabbitai"}, "state": "COMMENTED"}
    ]
    assert dependabot["author"] == {
        "__typename": "Bot",
        "login": "dependabot",
        "databaseId": 49699333,
    }
    assert dependabot["commits"]["nodes"][0]["commit"]["author"] == {
        "name": "dependabot[bot]",
        "email": "49699333+dependabot[bot]@users.noreply.github.com",
        "user": None,
    }
    assert ghost["author"] is None
    assert ghost["commits"]["nodes"][0]["commit"]["author"]["user"] is None
    assert (person["headRefName"], other["headRefName"]) == ("pr-1", "topic/x")
    assert person["fullDatabaseId"] == str(person["databaseId"])
    assert person["url"] == "https://github.com/octo/hello/pull/1"


def test_invented_ids_are_the_same_in_every_run(folder, connect):
    data = folder([record(1), record(2)])
    with start_sandbox(data) as one, start_sandbox(data) as two:
        assert connect(one).data(AUTHORS) == connect(two).data(AUTHORS)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([record(1), "{not json"], "octo__hello.jsonl line 2: not valid JSON"),
        (
            [record(1), "", "[1]"],
            "octo__hello.jsonl line 3: a pull request must be a JSON object",
        ),
        ([record(1, createdAt="yesterday")], "line 1: createdAt must be a moment like"),
        (
            [record(1, state="DONE")],
            "line 1: state must be one of OPEN, CLOSED, MERGED, not 'DONE'",
        ),
        ([record(1, title=None)], "line 1: title must be text, not None"),
        (
            [{k: v for k, v in record(1).items() if k != "number"}],
            "line 1: 'number' is missing",
        ),
        ([record(1), record(1)], "line 2: number 1 is there already"),
        ([record(1, repository="octo/else")], "line 1: repository is 'octo/else'"),
        ([record(1, author="ada")], "line 1: author must be an object, not 'ada'"),
        ([record(1, commits=[7])], "line 1: commits must hold objects, not 7"),
    ],
)
def test_malformed_data_is_refused_with_file_line_and_reason(folder, lines, words):
    with pytest.raises(files.BadData) as failure:
        files.load(folder(lines))
    assert words in str(failure.value)


def test_malformed_data_stops_the_start(folder):
    with pytest.raises(SandboxFailed) as failure, start_sandbox(folder([record(1), "{"])):
        pass
    assert "octo__hello.jsonl line 2: not valid JSON" in str(failure.value)
    assert "Traceback" not in str(failure.value)


def test_an_empty_folder_and_a_wrong_name_are_refused(tmp_path, folder):
    with pytest.raises(files.BadData, match="has no file named OWNER__REPO"):
        files.load(tmp_path)
    with pytest.raises(files.BadData, match="the name must be OWNER__REPO"):
        files.load(folder([record(1)], "a.jsonl"))


def test_a_file_of_another_name_is_left_out(folder):
    where = folder([record(1)], "octo__hello.jsonl")
    (where / "notes.jsonl").write_text("not even JSON")
    assert [*files.load(where).repositories] == ["octo/hello"]


def test_it_refuses_to_run_without_debug():
    production = {
        "DEBUG": "0",
        "SECRET_KEY": "s" * 60,
        "ALLOWED_HOSTS": "example.com",
        "SITE_URL": "https://example.com",
    }
    with pytest.raises(SandboxFailed), start_sandbox(env=production):
        pass
