"""The rows of the fault table for clones: what is wrong with a repository on the
server, or with the program git.

A fault is a function that hurts the clone `api` below a folder that also has the sound
clone `web`; the clone is made anew when the fault has passed.
"""

import os
import shutil
import subprocess

from tests.faults.table import Most, Row

# A page is rendered from rows: no request, and no line.
PAGE = Most(seconds=10, requests=0, lines=0)
FAILED, PARTIAL, DONE = "failed", "partial", "done"
# Seconds: a setup without a fault takes 3 here, on a machine with other work.
QUICK = 30
GIT = shutil.which("git")


def row(name, ends, outcome, fault=None, script="", night=None, lines=4):
    """Return a row.

    `fault` gets the clone's path, `script` is what the program git is then, as text of
    sh, and `night` has the end and the outcome of the night if they differ, because
    something was read before.
    """
    most = Most(QUICK, 0, lines)
    how = {name: value for name, value in (("script", script), ("night", night)) if value}
    return Row(name, outcome, most, most, PAGE, ends, fault=fault, how=how)


def objects_of(clone):
    return sorted(path for path in (clone / ".git/objects").glob("??/*"))


def overwrite(path, content):
    """Write into a file of git's, which it made read-only."""
    path.chmod(0o644)
    path.write_bytes(content)


def run(clone, *words):
    return subprocess.run(
        [GIT, *words], cwd=clone, check=True, capture_output=True, text=True
    ).stdout.strip()


def tip_object(clone):
    tip = run(clone, "rev-parse", "HEAD")
    return clone / ".git/objects" / tip[:2] / tip[2:]


def pack(clone):
    run(clone, "gc", "--quiet")
    return next((clone / ".git/objects/pack").glob("*.pack"))


# The folder.


def is_gone(clone):
    shutil.rmtree(clone)


def is_a_file(clone):
    shutil.rmtree(clone)
    clone.write_text("text")


def is_no_repository(clone):
    shutil.rmtree(clone / ".git")


def leads_out(clone):
    elsewhere = clone.parent.parent / "elsewhere"
    shutil.copytree(clone, elsewhere, dirs_exist_ok=True)
    shutil.rmtree(clone)
    clone.symlink_to(elsewhere)


def leads_to_itself(clone):
    shutil.rmtree(clone)
    clone.symlink_to(clone)


def git_file_leads_out(clone):
    elsewhere = clone.parent.parent / "elsewhere"
    shutil.copytree(clone, elsewhere, dirs_exist_ok=True)
    shutil.rmtree(clone / ".git")
    (clone / ".git").write_text(f"gitdir: {elsewhere}/.git\n")


def has_a_pipe(clone):
    os.mkfifo(clone / ".git/packed-refs")


def has_a_link(clone):
    (clone / ".git/logs-of-another").symlink_to("/etc/passwd")


def borrows_from_outside(clone):
    (clone / ".git/objects/info").mkdir(exist_ok=True)
    (clone / ".git/objects/info/alternates").write_text("/nonexistent/objects\n")


def is_locked(clone):
    for name in (
        "index.lock",
        "HEAD.lock",
        "refs/heads/main.lock",
        "shallow.lock",
        "packed-refs.lock",
        "config.lock",
    ):
        (clone / ".git" / name).write_text("")


# HEAD, references, and the configuration.


def has_no_head(clone):
    (clone / ".git/HEAD").unlink()


def head_is_garbage(clone):
    (clone / ".git/HEAD").write_bytes(b"\xff\x00garbage\n")


def head_leads_nowhere(clone):
    (clone / ".git/HEAD").write_text("ref: refs/heads/nowhere\n")


def reference_is_garbage(clone):
    (clone / ".git/refs/heads/main").write_text("garbage\n")


def reference_is_empty(clone):
    (clone / ".git/refs/heads/main").write_text("")


def reference_leads_nowhere(clone):
    (clone / ".git/refs/heads/main").write_text("1" * 40 + "\n")


def packed_references_are_garbage(clone):
    run(clone, "pack-refs", "--all")
    (clone / ".git/packed-refs").write_bytes(b"\x00\xff\n")


def configuration_is_garbage(clone):
    (clone / ".git/config").write_text("[core\nrepositoryformatversion = \n")


def configuration_is_huge(clone):
    (clone / ".git/config").write_text("[core]\n\tbare = false\n" + "# x\n" * 50_000)


def format_is_of_the_future(clone):
    run(clone, "config", "core.repositoryformatversion", "99")


def hashes_are_of_another_kind(clone):
    run(clone, "config", "core.repositoryformatversion", "1")
    run(clone, "config", "extensions.objectFormat", "sha256")


# Objects.


def has_no_objects(clone):
    shutil.rmtree(clone / ".git/objects")


def all_objects_are_gone(clone):
    for path in objects_of(clone):
        path.unlink()


def tip_is_garbage(clone):
    overwrite(tip_object(clone), b"garbage")


def tip_is_empty(clone):
    """Empty it, as a machine that lost its power leaves a new file."""
    overwrite(tip_object(clone), b"")


def tip_is_gone(clone):
    tip_object(clone).unlink()


def some_objects_are_gone(clone):
    for path in objects_of(clone)[::3]:
        path.unlink()


def tree_is_gone(clone):
    """Delete what two landings are compared by."""
    tree = run(clone, "log", "--format=%T", "--grep=Squash 3").split()[0]
    (clone / ".git/objects" / tree[:2] / tree[2:]).unlink()


def pack_is_damaged(clone):
    path = pack(clone)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = b"\xff" * 200
    overwrite(path, bytes(content))


def pack_is_cut_off(clone):
    path = pack(clone)
    overwrite(path, path.read_bytes()[:-300])


def pack_has_no_index(clone):
    pack(clone).with_suffix(".idx").unlink()


def index_of_the_pack_is_garbage(clone):
    overwrite(pack(clone).with_suffix(".idx"), b"\xff" * 4096)


def commit_graph_is_garbage(clone):
    info = clone / ".git/objects/info"
    info.mkdir(exist_ok=True)
    (info / "commit-graph").write_bytes(b"CGPH" + b"\xff" * 2000)


def is_shallow(clone):
    (clone / ".git/shallow").write_text(run(clone, "rev-parse", "HEAD~2") + "\n")


def shallow_is_garbage(clone):
    (clone / ".git/shallow").write_text("garbage\n")


def is_partial(clone):
    run(clone, "config", "core.repositoryformatversion", "1")
    run(clone, "config", "extensions.partialClone", "origin")
    run(clone, "config", "remote.origin.url", "https://example.invalid/api.git")
    run(clone, "config", "remote.origin.promisor", "true")
    tree_is_gone(clone)


def is_empty(clone):
    shutil.rmtree(clone)
    clone.mkdir()
    run(clone, "init", "--quiet", "--initial-branch=main")


# What a commit can have in it.


def commit_raw(clone, author, message=b"Squash 9 (#9)\n", extra=b""):
    """Put a commit with this author's line on the trunk."""
    tree, parent = run(clone, "rev-parse", "HEAD^{tree}"), run(clone, "rev-parse", "HEAD")
    content = (
        f"tree {tree}\nparent {parent}\n".encode()
        + b"author "
        + author
        + b"\ncommitter "
        + author
        + b"\n"
        + extra
    )
    done = subprocess.run(
        [GIT, "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=clone,
        input=content + b"\n" + message,
        check=True,
        capture_output=True,
    )
    run(clone, "update-ref", "refs/heads/main", done.stdout.decode().strip())


ANN = b"Ann Lee <ann@example.com> 1767225600 +0000"


def time_is_of_no_century(clone):
    commit_raw(clone, b"Ann Lee <ann@example.com> 99999999999999999999 +0000")


def time_is_negative(clone):
    commit_raw(clone, b"Ann Lee <ann@example.com> -62135596801 +0000")


def time_is_a_word(clone):
    commit_raw(clone, b"Ann Lee <ann@example.com> yesterday +0000")


def author_is_missing(clone):
    commit_raw(clone, b"")


def author_is_bytes(clone):
    commit_raw(clone, b"\xff\xfe\xed\xa0\x80 <\xff@\xfe> 1767225600 +9999")


def author_has_100_kb(clone):
    commit_raw(clone, b"A" * 100_000 + b" <ann@example.com> 1767225600 +0000")


def message_has_5_mb(clone):
    commit_raw(clone, ANN, b"Squash 9 (#9)\n\n" + b"x" * 5_000_000)


def message_has_nul(clone):
    commit_raw(clone, ANN, b"Squash 9 (#9)\n\nA\x00B\x1e\x1f\n")


def encoding_is_unknown(clone):
    commit_raw(clone, ANN, b"Gr\xfc\xdfe (#9)\n", b"encoding klingon\n")


ROWS = [
    row("sound", DONE, ""),
    row("gone", PARTIAL, "not_found", is_gone),
    row("a_file", PARTIAL, "not_a_repository", is_a_file),
    row("no_repository", PARTIAL, "not_a_repository", is_no_repository),
    row("leads_out", PARTIAL, "outside_root", leads_out),
    row("leads_to_itself", PARTIAL, "not_found", leads_to_itself),
    row("git_file_leads_out", PARTIAL, "outside_root", git_file_leads_out),
    row("pipe", PARTIAL, "clone", has_a_pipe),
    row("link", PARTIAL, "outside_root", has_a_link),
    row("borrows_from_outside", PARTIAL, "outside_root", borrows_from_outside),
    row("locked", DONE, "", is_locked),
    row("no_head", PARTIAL, "not_a_repository", has_no_head),
    row("head_garbage", PARTIAL, "clone", head_is_garbage),
    row("head_leads_nowhere", DONE, "", head_leads_nowhere),
    row("reference_garbage", PARTIAL, "clone", reference_is_garbage),
    row("reference_empty", PARTIAL, "clone", reference_is_empty),
    row("reference_leads_nowhere", PARTIAL, "clone", reference_leads_nowhere),
    row("packed_references_garbage", PARTIAL, "clone", packed_references_are_garbage),
    row("configuration_garbage", PARTIAL, "clone", configuration_is_garbage),
    row("configuration_huge", PARTIAL, "clone", configuration_is_huge),
    row("format_of_the_future", DONE, "", format_is_of_the_future),
    row("hashes_of_another_kind", PARTIAL, "clone", hashes_are_of_another_kind),
    row("no_objects_folder", PARTIAL, "not_a_repository", has_no_objects),
    row("all_objects_gone", PARTIAL, "clone", all_objects_are_gone),
    row("tip_garbage", PARTIAL, "clone", tip_is_garbage),
    row("tip_empty", PARTIAL, "clone", tip_is_empty),
    row("tip_gone", PARTIAL, "clone", tip_is_gone),
    row("some_objects_gone", PARTIAL, "clone", some_objects_are_gone),
    row("tree_gone", PARTIAL, "incomplete", tree_is_gone, night=(DONE, "")),
    row("pack_damaged", PARTIAL, "clone", pack_is_damaged),
    row("pack_cut_off", PARTIAL, "clone", pack_is_cut_off),
    row("pack_without_index", PARTIAL, "clone", pack_has_no_index),
    row("pack_index_garbage", PARTIAL, "clone", index_of_the_pack_is_garbage),
    row("commit_graph_garbage", DONE, "", commit_graph_is_garbage),
    row("shallow", PARTIAL, "incomplete", is_shallow),
    row("shallow_garbage", PARTIAL, "clone", shallow_is_garbage),
    row("partial", PARTIAL, "incomplete", is_partial, night=(DONE, "")),
    row("empty", DONE, "", is_empty, night=(PARTIAL, "empty_repository")),
    row("time_of_no_century", DONE, "", time_is_of_no_century),
    row("time_negative", DONE, "", time_is_negative),
    row("time_a_word", DONE, "", time_is_a_word),
    row("author_missing", DONE, "", author_is_missing),
    row("author_in_bytes", DONE, "", author_is_bytes),
    row("author_of_100_kb", DONE, "", author_has_100_kb),
    row("message_of_5_mb", DONE, "", message_has_5_mb),
    row("message_with_nul", DONE, "", message_has_nul),
    row("encoding_unknown", DONE, "", encoding_is_unknown),
    # The program git. Each is another way for a process to end, or not to begin.
    row("git_missing", FAILED, "git_missing", script="missing"),
    row("git_not_executable", FAILED, "git_missing", script="not executable"),
    row("git_of_another_machine", FAILED, "git_missing", script="\x7fELF garbage"),
    row("git_ends_with_3", FAILED, "clone", script="#!/bin/sh\nexit 3\n"),
    row("git_ends_with_1_in_silence", FAILED, "clone", script="#!/bin/sh\nexit 1\n"),
    row("git_is_killed", FAILED, "clone", script="#!/bin/sh\nkill -9 $$\n"),
    row(
        "git_complains",
        FAILED,
        "clone",
        script='#!/bin/sh\necho "fatal: /etc/secret is odd" >&2\nexit 128\n',
    ),
    row("git_prints_bytes", FAILED, "clone", script="#!/bin/sh\nhead -c 100000 /dev/urandom\n"),
    row("git_prints_nothing", FAILED, "clone", script="#!/bin/sh\nexit 0\n"),
]
