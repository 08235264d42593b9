"""Signals of the figures, sent inside the transaction of the change that they announce.

Receivers only write rows.
"""

from django.dispatch import Signal

# Arguments: run (pipelines.Run), title, preliminary. Sent with the first finding of a
# run; a later one adds nothing.
first_insight_found = Signal()
