"""What people do on their way to the first run. Sent in the transaction of the change; receivers only write rows.

source_connected(team, user, source)        a credential was checked and kept; source is "github" or "git"
repositories_chosen(team, user, count)      how many repositories are to be synced
"""

from django.dispatch import Signal

source_connected = Signal()
repositories_chosen = Signal()
