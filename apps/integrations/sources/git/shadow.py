"""A temporary git folder in place of a repository's own, without its configuration.

git has no switch to leave out a repository's configuration, which may include other
files, name programs, and point elsewhere. Therefore git commands run on a temporary
folder that has the repository's HEAD, leads to its references and objects, and has a
configuration that is written here:

    shadow = Shadow(location)
    objects = location.common_dir / "objects"
    git = Git(shadow.git_dir, location.shown, timeout, objects=objects)
"""

import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp

from apps.integrations.sources.git.errors import NotARepository
from apps.integrations.sources.git.location import Location, head_of

_SHARED = ("refs", "packed-refs", "reftable", "shallow")
# Formats of storage that git must know to read the repository at all, and their
# possible values.
_FORMATS = {"objectformat": ("sha1", "sha256"), "refstorage": ("files", "reftable")}


class Shadow:
    """The temporary folder; it is removed together with the object."""

    def __init__(self, location: Location) -> None:
        self.git_dir = Path(mkdtemp(prefix="firstlight-git-"))
        weakref.finalize(self, shutil.rmtree, self.git_dir, ignore_errors=True)
        head = head_of(location).split("\n", 1)[0]
        if not (location.common_dir / "refs").is_dir():
            raise NotARepository(location.shown)
        (self.git_dir / "HEAD").write_bytes(f"{head}\n".encode(errors="surrogateescape"))
        for name in _SHARED:
            if (location.common_dir / name).exists():
                (self.git_dir / name).symlink_to(location.common_dir / name)
        self.configure({})

    def configure(self, settings: dict[str, str]) -> None:
        """Write the configuration. Of the repository's own settings it contains only
        how objects and references are stored.
        """
        lines = ["[core]", "bare = true", "repositoryformatversion = 1", "[extensions]"]
        for name, allowed in _FORMATS.items():
            value = settings.get(f"extensions.{name}", "").lower()
            if value in allowed[1:]:
                lines.append(f"{name} = {value}")
        (self.git_dir / "config").write_text("\n".join(lines) + "\n")


def is_partial(settings: dict[str, str]) -> bool:
    """Return whether the configuration is that of a partial clone, which lacks objects."""
    return any(
        name == "extensions.partialclone" or name.endswith(".promisor") for name in settings
    )
