"""Define the kinds of runs and their names."""

from datetime import timedelta
from enum import StrEnum

from apps.onboarding import pipeline_names
from apps.pipelines.models import Run


class Kind(StrEnum):
    """What a run is for. Stored on the run; `other` is a step that was started alone,
    like a recount.
    """

    ONBOARDING = "onboarding"
    NIGHTLY = "nightly"
    REFRESH = "refresh"
    WEBHOOK = "webhook"
    OTHER = "other"


# Kinds that read again what is read already. They share one pipeline, so only one of
# them runs at a time.
REFRESHING = (Kind.NIGHTLY, Kind.REFRESH, Kind.WEBHOOK)
# The longest time that one of those may be paused. No other one can begin meanwhile, so
# every night would be missed.
PAUSED_AT_MOST = timedelta(days=1)
# Kinds that email the team when they end.
EMAILING = (Kind.ONBOARDING,)

# What a run is called within a sentence.
NOUNS = {
    Kind.ONBOARDING: "setup",
    Kind.NIGHTLY: "nightly refresh",
    Kind.REFRESH: "refresh",
    Kind.WEBHOOK: "update",
    Kind.OTHER: "recount",
}


def kind_of(pipeline: str, stored: str = "") -> Kind:
    """Return the kind of a run from its pipeline and its stored kind.

    Runs of earlier versions have none stored.
    """
    if stored in list(Kind):
        return Kind(stored)
    if pipeline == pipeline_names.ONBOARDING:
        return Kind.ONBOARDING
    if pipeline == pipeline_names.NIGHTLY:
        return Kind.NIGHTLY
    return Kind.OTHER


def kind_of_run(run: Run) -> Kind:
    """Return the kind of a run."""
    return kind_of(run.pipeline, run.kind)
