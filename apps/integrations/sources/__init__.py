"""One folder per source: the requests to it, and the translation of its answers into
records of `apps.metrics.records`.

It imports nothing of this app; `connections`, `sync`, and `webhooks` import it. Start
with `github.source` and `git.source`.
"""
