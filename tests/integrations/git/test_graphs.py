"""Histories of any shape, against what git itself says."""

import random

import pytest

from apps.integrations.sources.git.repository import GitRepository
from tests.integrations.git.conftest import LONG_AGO, START


def stream(seed, size=80):
    """A history for fast-import in which any commit may have one to three parents, and
    dates are in no order.
    """
    chance = random.Random(seed)
    yield from ("blob", "mark :1000", "data 2", "x", "")
    for number in range(1, size + 1):
        yield "commit refs/heads/main"
        yield f"mark :{number}"
        yield f"committer A <a@example.com> {START + chance.randrange(1000)} +0000"
        yield from ("data <<E", f"Commit {number}", "E")
        if number > 1:
            first = max(1, number - chance.choice((1, 1, 1, 2, 5)))
            others = {
                chance.randrange(max(1, number - 12), number)
                for _ in range(chance.choice((0, 0, 1, 1, 2)))
            }
            yield f"from :{first}"
            yield from (f"merge :{other}" for other in sorted(others - {first}))
        yield from (f"M 644 :1000 file{number}", "")


@pytest.mark.parametrize("seed", range(5))
def test_each_merge_brings_what_git_says(repo, root, seed):
    repo.git("fast-import", "--quiet", "--force", given="\n".join([*stream(seed), ""]).encode())
    repository = GitRepository.open("app", root)
    oids = [landing.oid for landing in repository.landings(LONG_AGO)]
    assert set(oids) == set(repo.git("rev-list", "--first-parent", "main").split())
    assert len(oids) > 20
    for pull in repository.read(oids):
        oid = pull.merge_commit_oid
        parents = repo.git("rev-parse", f"{oid}^@").split()
        expected = (
            {oid}
            if len(parents) < 2
            else set(repo.git("rev-list", *parents[1:], f"^{parents[0]}").split())
        )
        assert {commit.oid for commit in pull.commits} == expected
        sizes = repo.git(
            "diff-tree", "--root", "--numstat", "-r", *([parents[0]] if parents else []), oid
        ).splitlines()
        assert pull.changed_files == len([line for line in sizes if "\t" in line])
