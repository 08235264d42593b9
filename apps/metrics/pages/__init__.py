"""The pages about a team's figures: each view with the queries that it needs.

It imports all other folders of this app; only `urls` imports it.
Start with `views`, then `dashboard`.
"""
