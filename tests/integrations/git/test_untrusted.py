"""Repositories that lie, break the rules, or would like to run something."""

import os

import pytest

from apps.integrations.sources.git.repository import GitRepository, PartialClone
from tests.integrations.git.conftest import LONG_AGO, at


def read_with(root, name="app"):
    repository = GitRepository.open(name, root)
    return repository.read([landing.oid for landing in repository.landings(LONG_AGO)])


@pytest.fixture
def trap(tmp_path):
    """A program that leaves a trace when it is run, and the trace."""
    trace = tmp_path / "was-run"
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{trace}'\ncat 2>/dev/null\nexit 0\n")
    program.chmod(0o755)
    return program, trace


def test_the_configuration_runs_nothing(repo, root, trap):
    program, trace = trap
    repo.commit("Begin", {"a.bin": "1\n", ".gitattributes": "* diff=evil filter=evil\n"})
    repo.branch("topic")
    repo.commit("On a topic", {"a.bin": "2\n"}, hour=1)
    repo.merge("Merge pull request #1 from o/topic\n\nT", "topic", hour=2)
    hooks = root / "hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (hooks / hook).symlink_to(program)
    settings = {
        "core.fsmonitor": program,
        "core.hooksPath": hooks,
        "core.pager": program,
        "core.editor": program,
        "core.sshCommand": program,
        "core.askPass": program,
        "core.alternateRefsCommand": program,
        "pager.log": program,
        "diff.external": program,
        "diff.evil.command": program,
        "diff.evil.textconv": program,
        "diff.evil.cachetextconv": "true",
        "filter.evil.clean": program,
        "filter.evil.smudge": program,
        "filter.evil.process": program,
        "credential.helper": program,
        "gpg.program": program,
        "gpg.ssh.program": program,
        "log.showSignature": "true",
        "log.diffMerges": "combined",
        "log.follow": "true",
        "diff.orderFile": root / "none",
        "diff.submodule": "log",
        "diff.relative": "true",
        "diff.renames": "copies",
        "mailmap.file": root / "none",
        "mailmap.blob": "HEAD:a.bin",
        "core.worktree": "/",
        "core.attributesFile": root / "none",
        "core.quotePath": "true",
        "i18n.logOutputEncoding": "UTF-16",
        "color.ui": "always",
        "format.pretty": "raw",
        "alias.log": f"!{program}",
        "uploadpack.packObjectsHook": program,
    }
    for key, value in settings.items():
        repo.git("config", key, str(value))
    (root / "app" / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil\n")
    signed = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"
    tree, parent = repo.git("--work-tree=.", "rev-parse", "HEAD^{tree}", "HEAD").split()
    who = b"A <a@example.com> 1767240000 +0000"
    header = b"tree %s\nparent %s\nauthor %s\ncommitter %s\n" % (
        tree.encode(),
        parent.encode(),
        who,
        who,
    )
    oid = repo.raw(header + signed)
    (root / "app" / ".git" / "refs" / "heads" / "main").write_text(f"{oid}\n")
    trace.unlink(missing_ok=True)

    pulls = read_with(root)

    assert [pull.title for pull in pulls] == ["msg", "T", "Begin"]
    assert [(pull.additions, pull.deletions) for pull in pulls] == [(0, 0), (1, 1), (2, 0)]
    assert not trace.exists()


def test_missing_objects_start_no_program(repo, root, trap):
    program, trace = trap
    repo.commit("Begin", {"a": "1\n"})
    blob = repo.git("rev-parse", "HEAD:a")
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{program}",
        "remote.origin.promisor": "true",
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
        "remote.origin.uploadpack": str(program),
    }.items():
        repo.git("config", key, value)
    (root / "app" / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(PartialClone):
        read_with(root)
    assert not trace.exists()


def test_our_own_environment_does_not_reach_git(repo, root, trap, monkeypatch, tmp_path):
    program, trace = trap
    repo.commit("Begin", {"a": "1\n"})
    (tmp_path / "gitconfig").write_text(
        f"[diff]\n\texternal = {program}\n[core]\n\tfsmonitor = {program}\n"
    )
    for name, value in {
        "GIT_DIR": str(tmp_path / "none"),
        "GIT_EXTERNAL_DIFF": str(program),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_PAGER": str(program),
        "GIT_TRACE2": str(tmp_path / "trace2"),
        "GIT_SHALLOW_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    assert [pull.additions for pull in read_with(root)] == [1]
    assert not trace.exists()
    assert not (tmp_path / "trace2").exists()


def test_replacements_and_grafts_are_off(repo, root):
    real = repo.commit("Real", {"a": "1\n"}, hour=1)
    other = repo.git("commit-tree", "HEAD^{tree}", "-m", "Replaced", hour=1)
    repo.commit("Next", {"b": "1\n"}, hour=2)
    repo.git("replace", real, other)
    (root / "app" / ".git" / "info" / "grafts").write_text(f"{repo.git('rev-parse', 'HEAD')}\n")
    assert [pull.title for pull in read_with(root)] == ["Next", "Real"]


def test_odd_names_paths_and_messages(repo, root):
    nasty = ('&lt;b&gt; "Ann" \x1b[31m', "12+ann@users.noreply.github.com")
    files = {
        "ta\tb": "1\n",
        "new\nline": "1\n",
        '"quoted"': "1\n",
        "-dash": "1\n",
        "1\t2\tsize": "1\n",
        "é": "1\n",
    }
    repo.commit(
        "<script>alert(1)</script>\x07 (#4)\n\n1\t1\tlooks like a size\n\x1bbody",
        files,
        author=nasty,
    )
    repo.commit("Binary", {"b": b"\x00\x01binary"}, hour=1)
    binary, markup = read_with(root)
    assert (markup.number, markup.title) == (4, "<script>alert(1)</script>")
    assert (markup.additions, markup.changed_files) == (6, 6)
    assert markup.commits[0].message.endswith("1\t1\tlooks like a size\n\x1bbody")
    assert (markup.author.name, markup.author.github_id) == ('&lt;b&gt; "Ann"  [31m', 12)
    assert (binary.additions, binary.deletions, binary.changed_files) == (0, 0, 1)


def test_bytes_that_are_no_text(repo, root):
    tree = repo.git("write-tree")
    who = b"An\xe9 <a@example.com> 1767225600 +0000"
    header = b"tree %s\nauthor %s\ncommitter %s\n" % (tree.encode(), who, who)
    repo.git(
        "reset",
        "--quiet",
        "--hard",
        repo.raw(header, b"Caf\xe9 \xff (#8)\n\nbo\xfedy\x00hidden\n"),
    )
    (pull,) = read_with(root)
    assert (pull.number, pull.title, pull.body, pull.author.name) == (
        8,
        "Caf� �",
        "bo�dy",
        "An�",
    )


def test_messages_in_other_encodings_are_turned_into_text(repo, root):
    repo.git("config", "i18n.commitEncoding", "ISO-8859-1")
    repo.commit("Café".encode("latin-1"))
    assert read_with(root)[0].title == "Café"


def test_two_megabytes_of_message(repo, root):
    body = "".join(f"line {number}\n" for number in range(180_000))
    assert len(body) > 2_000_000
    repo.commit(f"Big (#1)\n\n{body}", hour=1)
    repo.commit("x" * 2_000_000, {"b": "1\n"}, hour=2)
    change, pull = read_with(root)
    assert pull.body == body.rstrip("\n")
    assert pull.commits[0].message == f"Big (#1)\n\n{body}".removesuffix("\n")
    assert len(change.title) == 500
    assert len(change.commits[0].message) == 2_000_000


def test_empty_messages_and_empty_commits(repo, root):
    repo.commit("Begin", hour=1)
    repo.git("commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", "", hour=2)
    empty = read_with(root)[0]
    assert (empty.title, empty.body, empty.additions, empty.changed_files) == (
        "(no message)",
        "",
        0,
        0,
    )


def test_renames_count_the_lines_that_differ(repo, root):
    text = "".join(f"{number}\n" for number in range(100))
    repo.commit("Begin", {"old.txt": text}, hour=1)
    repo.git("mv", "old.txt", "new.txt")
    repo.commit("Move (#2)", {"new.txt": text + "more\n", "zz": "1\n"}, hour=2)
    pull = read_with(root)[0]
    assert (pull.additions, pull.deletions, pull.changed_files) == (2, 0, 2)


def test_submodules_are_a_line_and_not_entered(repo, make, root):
    other = make("other")
    tip = other.commit("Begin")
    repo.commit("Begin", hour=1)
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{tip},sub")
    repo.write("Add a submodule", hour=2)
    change = read_with(root)[0]
    assert (change.additions, change.deletions, change.changed_files) == (1, 0, 1)


@pytest.mark.parametrize(
    "who",
    [
        b"A <a@example.com>",
        b"A <a@example.com> soon",
        b"A <a@example.com> 0 +0000",
        b"A <a@example.com> -86400 +0000",
        b"A <a@example.com> 99999999999999999999999 +0000",
        b"A <a@example.com> 999999999999 +0000",
        b"nobody at all",
    ],
)
def test_dates_that_cannot_be_read_lose_no_commit(repo, root, who):
    repo.commit("Before", hour=5)
    tree, parent = repo.git("rev-parse", "HEAD^{tree}", "HEAD").split()
    header = b"tree %s\nparent %s\nauthor %s\ncommitter %s\n" % (
        tree.encode(),
        parent.encode(),
        who,
        who,
    )
    repo.git("reset", "--quiet", "--hard", repo.raw(header, b"Odd\n"))
    repo.commit("After", {"b": "1\n"}, hour=6)
    after, odd, before = read_with(root)
    assert [after.title, odd.title, before.title] == ["After", "Odd", "Before"]
    assert odd.created_at <= odd.merged_at
    assert odd.commits[0].authored_at.tzinfo is not None
    assert odd.merged_at == at(5)  # the landing before says when


def test_one_readable_date_serves_for_both(repo, root):
    tree = repo.git("write-tree")
    author = b"A <a@example.com> 1767225600 +0000"
    header = b"tree %s\nauthor %s\ncommitter A <a@example.com>\n" % (tree.encode(), author)
    repo.git("reset", "--quiet", "--hard", repo.raw(header))
    assert read_with(root)[0].merged_at == at(0)


def test_a_repository_of_another_owner_can_be_read(repo, root):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    repo.commit("Begin")
    for path in [root / "app", *(root / "app").rglob("*")]:
        os.chown(path, 12345, 12345)
    assert len(read_with(root)) == 1
