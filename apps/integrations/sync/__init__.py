"""Read what a team tracks: which request comes when, how far the sync got, and what has
to be read again.

It imports `connections`, `sources`, and models; only `tasks`, `pipelines`, and the
onboarding import it. Start with `run`, then `state`.
"""
