"""The signals of the sync. They are sent inside the transaction of the change that they
report, so receivers may only write rows.

The ids of repositories are those of `TrackedRepository`, which are those of
`metrics.Repository`, too.
"""

from django.dispatch import Signal

# Arguments: team_id, repo_ids
onboarding_sync_started = Signal()

# Arguments: team_id, repos_synced, total_prs, failed_repos (numbers)
onboarding_sync_completed = Signal()

# Arguments: team_id, repo_id, prs_synced
repository_sync_completed = Signal()
