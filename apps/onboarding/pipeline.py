"""Define the pipelines on one screen.

    onboarding   sync -> analyse -> metrics -> insights -> notify
    refresh      sync -> markers -> metrics -> insights -> analyse
    ai_reading   read: what the model had no time for in one of the other two

Order, titles, queues, retries, back-offs, and deadlines are defined here and nowhere
else; rows, progress, pages, and commands derive from them. Weights are shares of a
typical run's time.
"""

from apps.integrations.sync.retry import prepare_retry
from apps.integrations.tasks import (
    aggregate_team_weekly_metrics_task,
    sync_historical_data_task,
)
from apps.metrics.llm.continuing import PIPELINE as AI_READING_PIPELINE
from apps.metrics.tasks import (
    compute_team_insights,
    continue_llm_reading,
    read_ai_markers,
    run_llm_analysis_batch,
)
from apps.onboarding import pipeline_names
from apps.onboarding.services.runs import keep_completion_email
from apps.onboarding.tasks import send_onboarding_complete_email
from apps.pipelines.definitions import Pipeline, Step

SYNC = Step(
    "sync",
    "Reading pull requests",
    sync_historical_data_task,
    queue="sync",
    weight=70,
    retries=5,
    backoff=3,
    deadline=6 * 3600,
    prepare_retry=prepare_retry,
)
ANALYSE = Step(
    "analyse",
    "Analyze with AI",
    run_llm_analysis_batch,
    queue="llm",
    weight=14,
    retries=5,
    backoff=10,
    deadline=2 * 3600,
    prepare_retry=keep_completion_email,
)
METRICS = Step(
    "metrics",
    "Weekly metrics",
    aggregate_team_weekly_metrics_task,
    queue="compute",
    weight=8,
    retries=3,
    backoff=5,
    deadline=3600,
)
INSIGHTS = Step(
    "insights",
    "Insights",
    compute_team_insights,
    queue="compute",
    weight=5,
    retries=3,
    backoff=5,
    deadline=3600,
)
MARKERS = Step(
    "markers",
    "Read AI markers",
    read_ai_markers,
    queue="compute",
    weight=5,
    retries=3,
    backoff=5,
    deadline=3600,
)
NOTIFY = Step(
    "notify",
    "Email the team",
    send_onboarding_complete_email,
    queue="compute",
    weight=3,
    retries=5,
    backoff=5,
    deadline=600,
)

ONBOARDING = Pipeline(
    pipeline_names.ONBOARDING, "Setting up the team", (SYNC, ANALYSE, METRICS, INSIGHTS, NOTIFY)
)
# A refresh brings the figures first. The model's reading, on which no figure depends,
# comes last.
NIGHTLY = Pipeline(
    pipeline_names.NIGHTLY, "Refresh", (SYNC, MARKERS, METRICS, INSIGHTS, ANALYSE), version=2
)
# It waits for days if it has to, in pauses; one attempt takes minutes.
READ_ON = Step(
    "read",
    "AI summaries",
    continue_llm_reading,
    queue="llm",
    retries=5,
    backoff=60,
    deadline=2 * 3600,
)
AI_READING = Pipeline(AI_READING_PIPELINE, "AI summaries", (READ_ON,))


def register() -> None:
    ONBOARDING.register()
    NIGHTLY.register()
    AI_READING.register()
