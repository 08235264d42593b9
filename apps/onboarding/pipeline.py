"""The onboarding pipeline on one screen: sync -> analyse -> metrics -> insights -> notify.

Order, titles, queues, retries, back-offs and deadlines stand here and nowhere else; rows, progress, pages and commands
derive from them. Weights are shares of a typical run's time.
"""

from apps.integrations.retry import prepare_retry
from apps.integrations.tasks import aggregate_team_weekly_metrics_task, sync_historical_data_task
from apps.metrics.tasks import compute_team_insights, run_llm_analysis_batch
from apps.onboarding.tasks import NIGHTLY_PIPELINE, ONBOARDING_PIPELINE, send_onboarding_complete_email
from apps.pipelines.definitions import Pipeline, Step

SYNC = Step("sync", "Sync pull requests", sync_historical_data_task, queue="sync", weight=70,
            retries=5, backoff=3, deadline=6 * 3600, prepare_retry=prepare_retry)  # fmt: skip
ANALYSE = Step("analyse", "Analyse with AI", run_llm_analysis_batch, queue="llm", weight=14,
               retries=5, backoff=10, deadline=2 * 3600)  # fmt: skip
METRICS = Step("metrics", "Weekly metrics", aggregate_team_weekly_metrics_task, queue="compute", weight=8,
               retries=3, backoff=5, deadline=3600)  # fmt: skip
INSIGHTS = Step("insights", "Insights", compute_team_insights, queue="compute", weight=5,
                retries=3, backoff=5, deadline=3600)  # fmt: skip
NOTIFY = Step("notify", "Tell the team", send_onboarding_complete_email, queue="compute", weight=3,
              retries=5, backoff=5, deadline=600)  # fmt: skip

ONBOARDING = Pipeline(ONBOARDING_PIPELINE, "Setting up the team", (SYNC, ANALYSE, METRICS, INSIGHTS, NOTIFY))
NIGHTLY = Pipeline(NIGHTLY_PIPELINE, "Nightly refresh", (SYNC, ANALYSE, METRICS, INSIGHTS))


def register() -> None:
    ONBOARDING.register()
    NIGHTLY.register()
