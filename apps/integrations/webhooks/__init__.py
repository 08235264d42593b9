"""Deliveries of GitHub's webhooks, which become rows through the same ingest as a
sync's pages.

It imports `connections`, `sources`, and models. Start with `views`, then `handling`.
"""
