"""What happens on a team's way to its first insight. Sent in the transaction of the
change; receivers only write rows.

source_connected(team, user, source)        a credential was checked and kept; source is the key of a source
repositories_chosen(team, user, count)      how many repositories are to be synced
onboarding_completed(team_id, run_id, generation, totals, missing)
                                            an onboarding has reached its end; totals as
                                            in `services.runs.Totals`, missing as in
                                            `pipelines.outcomes.Missing`
"""

from django.dispatch import Signal

source_connected = Signal()
repositories_chosen = Signal()
onboarding_completed = Signal()
