"""Store what a source sent as rows: pull requests, commits, reviews, and the accounts
of people.

It imports models, records, and helpers of this app, and no figures but the calendar of
`figures.definitions`. Start with `writer.ingest_pull_requests`.
"""
