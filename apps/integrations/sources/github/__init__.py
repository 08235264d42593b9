"""GitHub's GraphQL and REST interfaces, over HTTP.

It imports `sources.base`, the modules next to that, and models.
Start with `source`, then `plan`; `client` sends the requests.
"""

# The key of this source, and of its repositories' rows.
KEY = "github"
