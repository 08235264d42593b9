"""Charts as SVG, drawn on the server; each has a table with the same numbers.

It imports nothing of this app.
Start with `weekly`.
"""
