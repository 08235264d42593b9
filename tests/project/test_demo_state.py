"""Where `make demo` keeps its data, for which sources, and what FRESH=1 deletes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import free_port

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

from demo_state import LOCK, MARKER, Origin, UsageError, claim  # noqa: E402

USAGE = 64
SAMPLE = Origin.of(None, None, 12)


def files_of(folder):
    return {path.name for path in folder.iterdir()} - {MARKER, LOCK}


def make(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("made")


def make_repository(path, message):
    path.mkdir(parents=True)
    person = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com"}
    person |= {
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        "PATH": os.environ["PATH"],
    }
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", message]):
        subprocess.run(["git", *words], cwd=path, env=person, check=True)
    return path


@pytest.mark.parametrize("fresh", ["0", "1"])
def test_a_folder_that_no_demo_made_is_refused_and_left_as_it_is(tmp_path, fresh):
    folder = tmp_path / "thesis"
    make(folder, "chapter.txt", "web.log", "db.sqlite3")
    env = {
        "PATH": os.environ["PATH"],
        "STATE": str(folder),
        "FRESH": fresh,
        "PORT": str(free_port()),
    }
    command = [sys.executable, "scripts/demo.py"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == USAGE
    assert str(folder) in done.stderr
    assert {path.name for path in folder.iterdir()} == {"chapter.txt", "web.log", "db.sqlite3"}
    assert {path.name for path in tmp_path.iterdir()} == {"thesis"}


def test_fresh_deletes_what_the_demo_made_and_nothing_else(tmp_path):
    folder = tmp_path / "state"
    with claim(folder, SAMPLE, fresh=False):
        make(
            folder,
            "db.sqlite3",
            "db.sqlite3-wal",
            "queue.sqlite3",
            "secret_key",
            "web.log",
            "mine.txt",
            "mine.log",
        )
    with claim(folder, SAMPLE, fresh=True):
        assert files_of(folder) == {"mine.txt", "mine.log"}


def test_without_fresh_everything_stays(tmp_path):
    folder = tmp_path / "state"
    with claim(folder, SAMPLE, fresh=False):
        make(folder, "db.sqlite3")
    with claim(folder, SAMPLE, fresh=False):
        assert files_of(folder) == {"db.sqlite3"}


def test_a_folder_in_use_is_refused_even_with_fresh(tmp_path):
    folder = tmp_path / "state"
    with claim(folder, SAMPLE, fresh=False):
        make(folder, "db.sqlite3")
        with pytest.raises(UsageError), claim(folder, SAMPLE, fresh=True):
            pass
        assert files_of(folder) == {"db.sqlite3"}


def test_the_default_folder_of_an_earlier_release_is_cleared_only_with_fresh(tmp_path):
    folder = tmp_path / ".state" / "demo"
    folder.parent.mkdir()
    make(folder, "db.sqlite3", "web.log", "worker.log", "sandbox.log")
    with pytest.raises(UsageError), claim(folder, SAMPLE, fresh=False):
        pass
    assert files_of(folder) == {"db.sqlite3", "web.log", "worker.log", "sandbox.log"}
    with claim(folder, SAMPLE, fresh=True):
        assert files_of(folder) == set()


def test_data_of_another_origin_in_one_folder_is_refused(tmp_path):
    folder = tmp_path / "state"
    with claim(folder, SAMPLE, fresh=False):
        pass
    for other in (Origin.of(None, None, 24), Origin.of(tmp_path, None, 12)):
        with pytest.raises(UsageError), claim(folder, other, fresh=False):
            pass
        with claim(folder, other, fresh=True):
            pass
        with claim(folder, SAMPLE, fresh=True):
            pass


def test_clones_of_one_name_have_folders_of_their_own(tmp_path):
    one = make_repository(tmp_path / "a" / "api", "one")
    two = make_repository(tmp_path / "b" / "api", "two")
    link = tmp_path / "link"
    link.symlink_to(one)
    folders = [Origin.of(None, repo, 24).default_folder(tmp_path) for repo in (one, two, link)]
    assert folders[0] != folders[1]
    assert folders[0] == folders[2], "a link is the same repository"


def test_months_and_kind_of_source_are_parts_of_the_key(tmp_path):
    repo = make_repository(tmp_path / "api", "one")
    origins = [Origin.of(None, repo, 24), Origin.of(None, repo, 12), Origin.of(repo, None, 24)]
    origins += [Origin.of(None, None, 12), Origin.of(None, None, 24)]
    assert len({origin.default_folder(tmp_path) for origin in origins}) == len(origins)


def test_another_repository_at_the_same_path_is_another_origin_and_a_new_commit_is_not(
    tmp_path,
):
    path = make_repository(tmp_path / "api", "one")
    first = Origin.of(None, path, 24)
    (path / ".git" / "description").write_text("changed")
    command = [
        "git",
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.com",
        "commit",
        "-q",
        "--allow-empty",
    ]
    subprocess.run([*command, "-m", "more"], cwd=path, check=True)
    assert Origin.of(None, path, 24) == first
    path.rename(tmp_path / "old")
    make_repository(path, "another")
    assert Origin.of(None, path, 24) != first


def test_changed_files_of_pull_requests_are_another_origin(tmp_path):
    file = tmp_path / "acme__api.jsonl"
    file.write_text("{}\n")
    first = Origin.of(tmp_path, None, 24)
    assert Origin.of(tmp_path, None, 24) == first
    file.write_text("{}\n{}\n")
    assert Origin.of(tmp_path, None, 24) != first
