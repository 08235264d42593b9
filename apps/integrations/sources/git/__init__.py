"""Clones on the server's disk, read with the git command.

It imports `sources.branches` and nothing else of this app.
Start with `source`.
"""
