"""Connections to sources: tokens and apps, grants of clones, and which repositories a
team tracks.

It imports `sources` and models; `sync`, `webhooks`, and the onboarding import it.
Start with `service`.
"""
