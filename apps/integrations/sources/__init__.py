"""One folder per source: how it is asked, and how its answers become records of
`apps.metrics.records`.

It imports nothing of this app; `connections`, `sync`, and `webhooks` import it.
Start with `github.source` and `git.source`.
"""
