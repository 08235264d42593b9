"""Which files are generated or vendored, so that their lines are not counted as their
author's.

A repository marks them in `.gitattributes`, by `linguist-generated`,
`linguist-vendored`, or `-diff`; the files of the trunk's tip count for the whole
history. If a file has no mark there, it is left out when it is a lock file or in a
folder of dependencies.

git reads these files from an index. It gets a temporary one that contains nothing else.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import copy
from pathlib import PurePosixPath

from apps.integrations.sources.git.command import Git
from apps.integrations.sources.git.errors import CannotRead, PartialClone

_LOCKS = frozenset(
    {
        ".terraform.lock.hcl",
        "bun.lock",
        "bun.lockb",
        "cargo.lock",
        "cartfile.resolved",
        "chart.lock",
        "composer.lock",
        "deno.lock",
        "flake.lock",
        "gemfile.lock",
        "go.sum",
        "gradle.lockfile",
        "mix.lock",
        "npm-shrinkwrap.json",
        "package-lock.json",
        "package.resolved",
        "packages.lock.json",
        "paket.lock",
        "pdm.lock",
        "pipfile.lock",
        "pixi.lock",
        "pnpm-lock.yaml",
        "podfile.lock",
        "poetry.lock",
        "pubspec.lock",
        "uv.lock",
        "yarn.lock",
    }
)
_FOLDERS = frozenset({"bower_components", "node_modules", "third_party", "vendor"})
_MINIFIED = re.compile(r".*\.min\.(?:js|css)", re.DOTALL)
_WANTED = ("linguist-generated", "linguist-vendored", "diff")
_ENTRY = re.compile(
    r"(?P<mode>100[0-7]{3}) blob (?P<oid>[0-9a-f]{40,64})\t(?P<path>.*)", re.DOTALL
)
# A repository with more files of this name is made to slow the sync down.
_MOST_FILES = 1000


class LeftOut:
    """The rules of the commit `tip`. `key` changes when they do."""

    def __init__(self, git: Git, tip: str) -> None:
        self._git = git
        entries: list[str] = []
        for line in _files_of(git, tip):
            match = _ENTRY.fullmatch(line) if line.endswith(".gitattributes") else None
            if (
                match
                and PurePosixPath(match["path"]).name == ".gitattributes"
                and len(entries) < _MOST_FILES
            ):
                entries.append(f"{match['mode']} {match['oid']}\t{match['path']}")
        # The index gets one entry a line, so a path with a line break can't be passed
        # to it.
        self._entries = [entry for entry in entries if "\n" not in entry]
        self._has_index = False
        self._also: frozenset[str] = frozenset()
        self.key = hashlib.sha256("\n".join(self._entries).encode(errors="replace")).hexdigest()

    def and_also(self, paths: frozenset[str]) -> "LeftOut":
        """Return the same rules, extended by these paths."""
        more = copy(self)
        more._also = paths
        return more

    def among(self, paths: Iterable[str]) -> frozenset[str]:
        """Return those of the paths whose lines are not counted."""
        found: set[str] = set()
        told = self._told(paths) if self._entries else {}
        for path in paths:
            # The repository's own mark comes before the usual names: a project may keep
            # its source in `vendor`.
            is_left_out = True if path in self._also else told.get(path)
            if is_left_out is None:
                is_left_out = _is_usual(path)
            if is_left_out:
                found.add(path)
        return frozenset(found)

    def _told(self, paths: Iterable[str]) -> dict[str, bool]:
        """Return the paths that the repository marks, each with whether it is left out."""
        # Written at the first use, because most repositories have no such file.
        if not self._has_index:
            for _ in self._git.fields("update-index", "--index-info", given=self._entries):
                pass
            self._has_index = True
        asked = [path for path in paths if "\n" not in path and "\ufffd" not in path]
        command = ("check-attr", "--cached", "-z", "--stdin", *_WANTED)
        fields = self._git.fields(*command, given=asked, ends="\0")
        told: dict[str, bool] = {}
        for path, name, value in zip(fields, fields, fields, strict=False):
            if name == "diff":
                if value == "unset":
                    # Only as a default, because an explicit `linguist-generated=false`
                    # is more precise than `-diff`.
                    told.setdefault(path, True)
            elif value in ("set", "true"):
                told[path] = True
            elif value in ("unset", "false"):
                told.setdefault(path, False)
        return told


def _files_of(git: Git, tip: str) -> Iterator[str]:
    """Yield the files of a commit. If the commit is damaged, yield the files before the
    damage; the landings report the error.
    """
    with suppress(CannotRead, PartialClone):
        yield from git.fields("ls-tree", "-r", "-z", "--full-tree", tip)


def _is_usual(path: str) -> bool:
    """Return whether a file is a lock file, minified, or in a folder of dependencies."""
    parts = path.lower().split("/")
    return (
        parts[-1] in _LOCKS
        or not _FOLDERS.isdisjoint(parts[:-1])
        or _MINIFIED.fullmatch(parts[-1]) is not None
    )
