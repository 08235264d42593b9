"""Compute how far users come in the setup, how long it takes, and what stops them.

A *journey* is one team, or a person who signed up and has no team that went on. A
person who signed up to join an existing team has none. Each journey counts once in a
stage, by the first time it got there: retries and later runs add nothing. A journey
that reached a stage counts as having passed all before it, even if one of these left no
event (the command line needs no sign-up). Only runs of the onboarding count; nightly
ones belong to no journey.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Q

from apps.analytics.models import AnalyticsEvent, EventName
from apps.metrics.figures.definitions import percentile
from apps.onboarding.pipeline import ONBOARDING
from apps.teams.models import Membership, Role

# A journey: when it first reached each stage, by the stage's key.
Journey = dict[str, datetime]

OF_RUNS = (EventName.STARTED, EventName.STEP, EventName.COMPLETED)
STAGES: tuple[tuple[str, str], ...] = (
    (EventName.SIGNED_UP, "Signed up"),
    (EventName.CONNECTED, "Connected a source"),
    (EventName.CHOSE, "Chose repositories"),
    (EventName.STARTED, "Run started"),
    *((f"step:{step.key}", step.title) for step in ONBOARDING.steps),
    (EventName.COMPLETED, "Completed"),
)
# What differs from one failure to the next for the same reason: addresses, quoted
# things, repositories and paths, numbers.
_PARTICULAR = re.compile(
    r"https?://\S+|“[^“”]*+”|\"[^\"]*\"|(?<![\w.-])[\w.-]*+/[\w./-]+|\b\d[\d.,:]*\b"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold the figures of one stage.

    Shares are of 1, and None if no journey got there. `p50` and `p90` are seconds since
    the stage before, over `measured` journeys.
    """

    title: str
    count: int
    of_first: float | None
    of_previous: float | None
    p50: float | None
    p90: float | None
    measured: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why runs failed in a step.

    A run that failed twice for the same reason is one; `completed` of them did later.
    """

    step: str
    words: str
    runs: int
    teams: int
    completed: int


def stages(since: datetime | None = None) -> list[Stage]:
    """Return the funnel of the journeys that began at `since` or later; without it, of
    all.
    """
    journeys = [
        journey for journey in _journeys() if since is None or min(journey.values()) >= since
    ]
    keys = [key for key, _ in STAGES]
    furthest = [max(keys.index(key) for key in journey) for journey in journeys]
    counts = [
        # A journey counts in every stage up to the furthest one that it reached.
        sum(1 for reached in furthest if reached >= number)
        for number in range(len(keys))
    ]
    rows = []
    for number, (key, title) in enumerate(STAGES):
        spans = _spans(journeys, keys[number - 1], key) if number else []
        before = counts[max(0, number - 1)]
        rows.append(
            Stage(
                title=title,
                count=counts[number],
                of_first=counts[number] / counts[0] if counts[0] else None,
                of_previous=counts[number] / before if number and before else None,
                p50=percentile(spans, 0.5),
                p90=percentile(spans, 0.9),
                measured=len(spans),
            )
        )
    return rows


def _spans(journeys: Iterable[Journey], before: str, key: str) -> list[float]:
    """Return the seconds from one stage to the next, ascending, of the journeys for
    which both are known.
    """
    known = [journey for journey in journeys if before in journey and key in journey]
    return sorted(
        # The event of a later stage may have been recorded first.
        max(0.0, (journey[key] - journey[before]).total_seconds())
        for journey in known
    )


def _journeys() -> list[Journey]:
    teams = _journeys_of_teams()
    signed_up = dict(
        AnalyticsEvent.objects.filter(name=EventName.SIGNED_UP, user__isnull=False).values_list(
            "user_id", "at"
        )
    )
    # A person's sign-up belongs to the first team that they brought on its way.
    by_age = sorted(teams, key=lambda team: min(teams[team].values()))
    first_people = _first_people()
    for team in by_age:
        at = signed_up.pop(first_people.get(team) or 0, None)
        if at is not None:
            teams[team][EventName.SIGNED_UP] = at
    # Members who own no team joined an existing one, so their sign-up began no journey.
    guests = set(Membership.objects.exclude(role=Role.OWNER).values_list("user_id", flat=True))
    alone = [
        {str(EventName.SIGNED_UP): at} for user, at in signed_up.items() if user not in guests
    ]
    return [*teams.values(), *alone]


def _journeys_of_teams() -> dict[int, Journey]:
    journeys: dict[int, Journey] = defaultdict(dict)
    of_team = AnalyticsEvent.objects.filter(team__isnull=False)
    before = of_team.filter(name__in=(EventName.CONNECTED, EventName.CHOSE))
    for team, name, at in before.values_list("team_id", "name").annotate(first=Min("at")):
        journeys[team][name] = at
    runs = of_team.filter(name__in=OF_RUNS, data__pipeline=ONBOARDING.name)
    for team, name, step, at in runs.values_list("team_id", "name", "data__step").annotate(
        first=Min("at")
    ):
        key = f"step:{step}" if name == EventName.STEP else name
        if key in dict(STAGES):  # a step that the pipeline has no more is no stage
            journeys[team][key] = at
    return {team: journey for team, journey in journeys.items() if journey}


def _first_people() -> dict[int | None, int | None]:
    """Return the user who did the first thing, for each team."""
    own = Q(name__in=(EventName.CONNECTED, EventName.CHOSE)) | Q(
        name=EventName.STARTED, data__pipeline=ONBOARDING.name
    )
    first: dict[int | None, int | None] = {}
    events = AnalyticsEvent.objects.filter(
        own, team__isnull=False, user__isnull=False
    ).order_by("at", "pk")
    for team, user in events.values_list("team_id", "user_id"):
        first.setdefault(team, user)
    return first


def reasons(since: datetime | None = None) -> list[Reason]:
    """Return why onboardings failed at `since` or later, the most frequent reason
    first.

    Without `since`, all failures count.
    """
    of_onboarding = AnalyticsEvent.objects.filter(data__pipeline=ONBOARDING.name)
    failures = of_onboarding.filter(name=EventName.FAILED)
    if since is not None:
        failures = failures.filter(at__gte=since)
    completed = set(
        of_onboarding.filter(name=EventName.COMPLETED).values_list("run", flat=True)
    )
    titles = {step.key: step.title for step in ONBOARDING.steps}
    runs, teams = defaultdict(set), defaultdict(set)
    for run, team, step, error in failures.values_list(
        "run", "team_id", "data__step", "data__error"
    ):
        reason = titles.get(step, step or "No step"), in_general(error or "")
        runs[reason].add(run)
        teams[reason].add(team)
    found = [
        Reason(
            step,
            words,
            len(runs[step, words]),
            len(teams[step, words]),
            len(runs[step, words] & completed),
        )
        for step, words in runs
    ]
    return sorted(found, key=lambda reason: (-reason.runs, reason.step, reason.words))


def in_general(error: str) -> str:
    """Return an error's text without what is particular to one run, so that the same
    reason has the same text.
    """
    return " ".join(_PARTICULAR.sub("…", error).split()) or "No message"
