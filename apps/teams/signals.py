"""What happens to teams. Sent in the transaction of the change; receivers only write
rows.

team_founded(team, owner, by_operator)
                               a person made a team, or an operator made it for them
rights_ended(team, user)       a person left the team, or is not an owner or admin of it any more; what they made for
                               it (tokens, webhooks) ends
"""

from django.dispatch import Signal

team_founded = Signal()
rights_ended = Signal()
