"""Find evidence that an AI tool took part in a pull request: the table of markers, and
how it is applied.

It imports `figures`, models, and records. Start with `marker_table`, then
`markers.read_markers`.
"""
