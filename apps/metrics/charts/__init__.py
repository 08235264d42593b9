"""Charts as SVG, drawn on the server; a table with the same numbers is beside each.

It imports nothing of this app.
Start with `weekly`.
"""
