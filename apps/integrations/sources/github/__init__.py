"""GitHub's GraphQL and REST interfaces, over HTTP.

It imports `sources.branches` and nothing else of this app.
Start with `client`, then `source`.
"""
