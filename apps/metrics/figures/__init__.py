"""What is counted, defined once, and the weekly table that is computed from it.

It imports `ingest`, models, and records; insights, charts, pages, and the API import
it. Start with `definitions`, then `weekly`.
"""
