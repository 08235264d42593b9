"""Keep what admins decide about accounts: which are bots, and which belong to one
person.

It imports `figures` and `ingest`; pages import it. Start with `bot_decisions` and
`joins`.
"""
