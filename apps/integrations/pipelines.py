"""Runs that use integrations only. The onboarding pipeline is in
`apps.onboarding.pipeline`.
"""

from apps.integrations.sync.retry import prepare_retry
from apps.integrations.tasks import (
    REPOSITORY_PIPELINE,
    SYNC_PIPELINE,
    aggregate_team_weekly_metrics_task,
    sync_historical_data_task,
    sync_repository_initial_task,
)
from apps.pipelines.definitions import Pipeline, Step

sync = Pipeline(
    name=SYNC_PIPELINE,
    title="Sync of a team's repositories",
    steps=(
        Step(
            key="sync",
            title="Reading pull requests",
            task=sync_historical_data_task,
            queue="sync",
            retries=5,
            prepare_retry=prepare_retry,
        ),
    ),
)

repository_initial = Pipeline(
    name=REPOSITORY_PIPELINE,
    title="First sync of a repository",
    steps=(
        Step(
            key="sync",
            title="Reading pull requests",
            task=sync_repository_initial_task,
            queue="sync",
            weight=80,
            retries=5,
            prepare_retry=prepare_retry,
        ),
        Step(
            key="metrics",
            title="Compute weekly metrics",
            task=aggregate_team_weekly_metrics_task,
            queue="compute",
            weight=20,
        ),
    ),
)


def register() -> None:
    sync.register()
    repository_initial.register()
