"""Reading what a team tracks: what is asked when, how far it got, and what is left to
read again.

It imports `connections`, `sources`, and models; only `tasks`, `pipelines`, and the
onboarding import it. Start with `run`, then `state`.
"""
