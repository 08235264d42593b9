"""Clones on the server's disk, read with the git command.

It imports `sources.base`, the modules next to that, and models.
Start with `source`.
"""

# The key of this source, and of its repositories' rows.
KEY = "git"
