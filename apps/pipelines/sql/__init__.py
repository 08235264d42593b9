"""The statements of the hot path, and how several of them become one round trip to the
database.

It imports nothing of this app. Start with `statements`.
"""
