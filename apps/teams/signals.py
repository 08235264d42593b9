"""What happens to teams. Sent in the transaction of the change; receivers only write rows.

team_founded(team, owner)      somebody made a team for themselves
"""

from django.dispatch import Signal

team_founded = Signal()
