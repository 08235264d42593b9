"""Deliveries of GitHub's webhooks, which become rows by the same way as a sync's pages.

It imports `connections`, `sources`, and models.
Start with `views`, then `handling`.
"""
