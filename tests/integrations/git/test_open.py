import os
import time

import pytest

from apps.integrations.sources.git.repository import (
    CannotRead,
    EmptyRepository,
    GitError,
    GitRepository,
    NoSuchPath,
    NotARepository,
    OutsideRoot,
    SourceDisabled,
    TimedOut,
)
from apps.pipelines.remedy import Remedy
from tests.integrations.git.conftest import LONG_AGO, Builder, at


@pytest.fixture
def outside(tmp_path):
    """A good repository that does not lie below the root."""
    repo = Builder(tmp_path / "outside")
    repo.commit("A secret")
    return repo


def test_paths_are_relative_to_the_root_or_absolute_below_it(repo, root):
    repo.commit("Begin")
    for path in ("app", "./app", "app/../app", str(root / "app"), "app/"):
        repository = GitRepository.open(path, root)
        assert repository.key == str((root / "app").resolve())
        assert repository.count(LONG_AGO) == 1


def test_a_link_inside_the_root_and_a_linked_root_are_followed(repo, root, tmp_path):
    repo.commit("Begin")
    (root / "link").symlink_to("app")
    (tmp_path / "root-link").symlink_to(root)
    key = GitRepository.open("app", root).key
    assert GitRepository.open("link", root).key == key
    assert (
        GitRepository.open(str(tmp_path / "root-link" / "app"), tmp_path / "root-link").key
        == key
    )


@pytest.mark.parametrize(
    "path", ["../outside", "{tmp}/outside", "app/../../outside", "link", "/", "..", "../none"]
)
def test_nothing_outside_the_root_is_read(repo, root, tmp_path, outside, path):
    (root / "link").symlink_to(outside.path)
    with pytest.raises(OutsideRoot):
        GitRepository.open(path.format(tmp=tmp_path), root)


def test_a_folder_whose_name_begins_like_the_root_is_outside(repo, root, tmp_path):
    Builder(tmp_path / "root2").commit("Begin")
    with pytest.raises(OutsideRoot):
        GitRepository.open(str(tmp_path / "root2"), root)


@pytest.mark.parametrize(
    "way",
    ["git file", "git link", "commondir", "alternates", "quoted", "objects", "pack", "fan"],
)
def test_no_part_of_a_repository_lies_outside(repo, root, outside, way):
    repo.commit("Begin")
    secret = outside.path / ".git"
    git_dir = root / "app" / ".git"
    if way in ("git file", "git link"):
        (root / "other").mkdir()
        if way == "git file":
            (root / "other" / ".git").write_text(f"gitdir: {secret}\n")
        else:
            (root / "other" / ".git").symlink_to(secret)
    elif way == "commondir":
        (git_dir / "commondir").write_text(f"{secret}\n")
    elif way == "alternates":
        (git_dir / "objects" / "info" / "alternates").write_text(f"# note\n{secret}/objects\n")
    elif way == "quoted":
        quoted = "".join(f"\\{ord(letter):03o}" for letter in f"{secret}/objects")
        (git_dir / "objects" / "info" / "alternates").write_text(f'"{quoted}"\n')
    elif way == "objects":
        (git_dir / "objects").rename(root / "away")
        (git_dir / "objects").symlink_to(secret / "objects")
    elif way == "pack":
        (git_dir / "objects" / "pack" / "pack-1.pack").symlink_to(secret / "HEAD")
    else:
        (git_dir / "objects" / "zz").symlink_to(secret / "objects")
    with pytest.raises(CannotRead if way == "quoted" else OutsideRoot):
        GitRepository.open("other" if way.startswith("git ") else "app", root)


def test_borrowed_objects_below_the_root_are_fine(repo, root):
    repo.commit("Begin")
    repo.git("clone", "--quiet", "--shared", str(root / "app"), str(root / "copy"))
    assert GitRepository.open("copy", root).count(LONG_AGO) == 1


def test_without_a_root_nothing_is_read(repo, tmp_path):
    with pytest.raises(SourceDisabled):
        GitRepository.open(str(repo.path), None)
    with pytest.raises(SourceDisabled, match="does not exist"):
        GitRepository.open("app", tmp_path / "none")


@pytest.mark.parametrize(
    "path", ["none", "", "  ", "app/none", "a\x00b", "--upload-pack=x", "x" * 300]
)
def test_a_path_that_is_not_there(repo, root, path):
    with pytest.raises(GitError) as failure:
        GitRepository.open(path, root)
    assert isinstance(failure.value, NoSuchPath | CannotRead)
    assert "\x00" not in str(failure.value)
    assert failure.value.remedy == Remedy.OPERATOR


def test_folders_that_are_no_repository(repo, root):
    repo.commit("Begin", {"sub/a": "1\n"})
    (root / "plain").mkdir()
    (root / "file").write_text("x")
    (root / "broken" / ".git").mkdir(parents=True)
    for path in ("plain", "file", "app/sub", "broken"):
        with pytest.raises(NotARepository, match="not a git repository"):
            GitRepository.open(path, root)
    (root / "loop").symlink_to("loop")
    with pytest.raises(GitError):
        GitRepository.open("loop", root)


def test_an_empty_repository_says_so(repo, make, root):
    make("bare.git", "--bare")
    for path in ("app", "bare.git"):
        with pytest.raises(EmptyRepository, match="no commits yet"):
            GitRepository.open(path, root)


def test_a_broken_repository_says_what_git_said(repo, root):
    repo.commit("Begin")
    repo.commit("Next")
    oid = repo.git("rev-parse", "HEAD~1")
    (root / "app" / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    with pytest.raises(CannotRead, match=r"'app' could not be read: .*git fsck") as failure:
        GitRepository.open("app", root).landings(LONG_AGO)
    assert str(root) not in str(failure.value)


def test_a_configuration_that_git_refuses(repo, root):
    repo.commit("Begin")
    (root / "app" / ".git" / "config").write_text("[core\n")
    with pytest.raises(CannotRead, match="configuration"):
        GitRepository.open("app", root)


def test_git_is_ended_when_it_takes_too_long(repo, root, tmp_path, monkeypatch):
    repo.commit("Begin")
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent), prepend=os.pathsep)
    start = time.monotonic()
    with pytest.raises(TimedOut, match=r"within 0\.2 seconds") as failure:
        GitRepository.open("app", root, timeout=0.2)
    assert failure.value.remedy == Remedy.RETRY
    assert time.monotonic() - start < 30


LINKED = [
    "HEAD",
    "config",
    "packed-refs",
    "shallow",
    "refs/heads/main",
    "refs",
    "objects",
    "objects/info/alternates",
    "commondir",
    "info/grafts",
    "info/attributes",
    "index",
    "refs/remotes",
    "logs",
]


@pytest.mark.parametrize("target", ["outside", "inside"])
@pytest.mark.parametrize("name", LINKED)
def test_a_link_in_the_git_folder_is_refused_unread(repo, root, outside, name, target):
    repo.commit("Begin")
    secret = (outside.path if target == "outside" else root) / "secret"
    secret.write_text("SECRET-FIRST-LINE\n")
    link = root / "app" / ".git" / name
    if link.is_dir():
        link.rename(root / "away")
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    with pytest.raises(GitError) as refused:
        GitRepository.open("app", root)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["HEAD", "config", "packed-refs", "shallow", "refs/heads/main", "info/attributes"]
)
def test_a_pipe_in_the_git_folder_is_refused_at_once(repo, root, name):
    repo.commit("Begin")
    (root / "app" / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(root / "app" / ".git" / name)
    with pytest.raises(GitError) as refused:
        GitRepository.open("app", root)
    assert not isinstance(refused.value, TimedOut)


@pytest.mark.parametrize("name", ["HEAD", "packed-refs", "shallow", "refs/heads/main"])
def test_an_error_does_not_quote_the_file(repo, root, name):
    repo.commit("Begin")
    (root / "app" / ".git" / name).write_text("SECRET-FIRST-LINE\n")
    with pytest.raises(GitError) as refused:
        GitRepository.open("app", root).landings(LONG_AGO)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("section", ["[include]", '[includeIf "gitdir:/**"]', "[INCLUDE]"])
def test_an_included_configuration_is_not_read(repo, root, outside, section):
    repo.commit("Begin")
    outside.git("remote", "add", "origin", "https://github.com/secret-org/secret-name.git")
    os.mkfifo(outside.path / "pipe")
    with (root / "app" / ".git" / "config").open("a") as config:
        config.write(
            f"{section}\n\tpath = {outside.path}/.git/config\n\tpath = {outside.path}/pipe\n"
        )
    repository = GitRepository.open("app", root, timeout=20)
    assert repository.name == "local/app"
    assert repository.count(LONG_AGO) == 1


def test_a_folder_and_its_git_folder_are_one_repository(repo, root):
    repo.commit("Begin")
    one, other = GitRepository.open("app", root), GitRepository.open("app/.git", root)
    assert (one.key, one.name) == (other.key, other.name)


# Shapes of repositories


def test_a_bare_repository_and_its_mailmap(repo, root):
    repo.commit("Begin", {".mailmap": "Ann Lee-Roe <ann@new.example> <ann@example.com>\n"})
    repo.git("clone", "--quiet", "--bare", str(root / "app"), str(root / "app.git"))
    repo.git("remote", "add", "origin", str(root / "app.git"))
    for path in ("app", "app.git"):
        repository = GitRepository.open(path, root)
        (change,) = repository.read([landing.oid for landing in repository.landings(LONG_AGO)])
        assert (change.author.name, change.commits[0].author_email) == (
            "Ann Lee-Roe",
            "ann@new.example",
        )
        assert repository.name == "local/app"


def test_the_mailmap_is_the_trunks(repo, root):
    repo.commit("Begin")
    (root / "app" / ".mailmap").write_text("Somebody Else <ann@example.com>\n")
    repository = GitRepository.open("app", root)
    assert repository.read([repository.landings(LONG_AGO)[0].oid])[0].author.name == "Ann Lee"


def test_a_linked_work_tree(repo, root):
    repo.commit("Begin")
    repo.git("worktree", "add", "--quiet", "-b", "side", str(root / "side"))
    repository = GitRepository.open("side", root)
    assert (repository.trunk, repository.count(LONG_AGO)) == ("side", 1)


def test_sha256_repositories(make, root):
    repo = make("new", "--object-format=sha256")
    repo.commit("Begin", {"a": "1\n"})
    repository = GitRepository.open("new", root)
    (change,) = repository.read([landing.oid for landing in repository.landings(LONG_AGO)])
    assert len(change.merge_commit_oid) == 64
    assert change.additions == 1


def test_a_shallow_clone_says_what_is_missing(repo, root):
    for hour in range(5):
        repo.commit(f"Commit {hour}", {"f": f"{hour}\n"}, hour=hour * 24)
    repo.git("clone", "--quiet", "--depth=3", f"file://{root}/app", str(root / "cut"))
    repository = GitRepository.open("cut", root)
    assert repository.is_shallow
    pulls = repository.read([landing.oid for landing in repository.landings(LONG_AGO)])
    assert [pull.title for pull in pulls] == [
        "Commit 4",
        "Commit 3",
    ]  # what Commit 2 changed, nobody knows
    assert [pull.additions for pull in pulls] == [1, 1]
    assert "until 2026-01-03 is not in it" in repository.missing(LONG_AGO)
    assert repository.missing(at(3 * 24)) is None
    whole = GitRepository.open("app", root)
    assert not whole.is_shallow
    assert whole.missing(LONG_AGO) is None


def test_a_partial_clone_is_not_filled_and_says_so(repo, root):
    repo.commit("Begin", {"a": "1\n"})
    repo.commit("Next", {"a": "2\n"})
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git(
        "clone",
        "--quiet",
        "--bare",
        "--filter=blob:none",
        f"file://{root}/app",
        str(root / "part"),
    )
    repository = GitRepository.open("part", root)
    oids = [landing.oid for landing in repository.landings(LONG_AGO)]
    assert len(oids) == 2
    with pytest.raises(GitError, match="partial clone"):
        repository.read(oids)


# Trunk and name


def test_the_trunk_is_the_remotes_then_what_is_checked_out_then_main(repo, root):
    repo.commit("Begin")
    repo.branch("topic")
    repo.commit("On a topic")
    assert GitRepository.open("app", root).trunk == "topic"
    repo.git("checkout", "--quiet", "--detach")
    assert GitRepository.open("app", root).trunk == "main"
    repo.git("branch", "-D", "main")
    assert GitRepository.open("app", root).trunk == "HEAD"
    assert GitRepository.open("app", root).count(LONG_AGO) == 2
    repo.git("update-ref", "refs/remotes/origin/dev/next", "HEAD~1")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/dev/next")
    repository = GitRepository.open("app", root)
    assert (repository.trunk, repository.count(LONG_AGO)) == ("dev/next", 1)
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/gone")
    assert GitRepository.open("app", root).trunk == "HEAD"


@pytest.mark.parametrize(
    ("address", "name", "url"),
    [
        ("git@github.com:acme/api.git", "acme/api", "https://github.com/acme/api"),
        (
            "https://user:secret@github.com/acme/api.git",
            "acme/api",
            "https://github.com/acme/api",
        ),
        ("ssh://git@GitHub.com:22/acme/api", "acme/api", "https://github.com/acme/api"),
        (
            "https://gitlab.com/group/sub/api.git/",
            "group/sub/api",
            "https://gitlab.com/group/sub/api",
        ),
        ("git@git.example.com:acme/api.git", "acme/api", ""),
        ("git@git.example.com:api.git", "git.example.com/api", ""),
        ("https://github.com/a<b>/../x y", "a-b-/x-y", "https://github.com/a-b-/x-y"),
        ("../elsewhere", "local/app", ""),
        ("file:///srv/api.git", "local/app", ""),
        ("https://[broken", "local/app", ""),
        ("ext::sh -c whoami", "local/app", ""),
    ],
)
def test_the_name_comes_from_the_remote(repo, root, address, name, url):
    repo.commit("Begin (#3)")
    repo.git("config", "remote.origin.url", address)
    repository = GitRepository.open("app", root)
    assert (repository.name, repository.url) == (name, url)


def test_local_names_tell_folders_apart(make, root):
    for folder in ("a/app", "b/app.git"):
        make(folder).commit("Begin")
    assert GitRepository.open("a/app", root).name == "local/a/app"
    assert GitRepository.open("b/app.git", root).name == "local/b/app"
    assert GitRepository.open(".", root / "a" / "app").name == "local/app"


def test_pages_of_pull_requests_and_commits(repo, root):
    repo.commit("Begin")
    repo.commit("Next (#3)", hour=1)
    repo.git("config", "remote.origin.url", "git@github.com:acme/api.git")
    repository = GitRepository.open("app", root)
    pull, change = repository.read([landing.oid for landing in repository.landings(LONG_AGO)])
    assert pull.url == "https://github.com/acme/api/pull/3"
    assert change.url == f"https://github.com/acme/api/commit/{change.merge_commit_oid}"
