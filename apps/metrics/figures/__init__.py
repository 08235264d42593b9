"""Define what is counted, and compute the weekly table from it.

It imports `ingest`, models, and records; insights, charts, pages, and the API import
it. Start with `definitions`, then `weekly`.
"""
