"""The figures of `/metrics`, read from the rows at each request. Any web process
returns the same figures about all workers.

Figures of a process (streams, memory) are those of the process that answers. To get all
of them, ask each process.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import Case, Count, Max, Min, Sum, Value, When
from huey.contrib.djhuey import HUEY
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from apps.integrations.models import ApiBudget, TrackedRepository
from apps.mail import health as mail_health
from apps.metrics.figures.definitions import percentile
from apps.metrics.llm import budget
from apps.metrics.models import LlmUse
from apps.onboarding import pipeline_names
from apps.pipelines import clock, durations
from apps.pipelines.models import (
    FailedReceiver,
    ReceiverState,
    Run,
    RunState,
    StepRun,
    StepState,
)
from apps.pipelines.stream import hub
from apps.pipelines.worker import health, presence
from apps.teams.oidc_roles import unknown_teams
from project.request_metrics import REQUESTS

# Hand-offs are measured on the steps that began within this time, at most on so many of
# the newest.
RECENT, AT_MOST = timedelta(hours=1), 2000
# The age that is returned if no process was seen within a day.
NEVER = float("inf")


class Rows(Collector):
    """Collects from the database and the queue. What cannot be read is left out, and
    `firstlight_up` is then 0.
    """

    def describe(self) -> list[Metric]:
        return []  # otherwise registering would read the database

    def collect(self) -> Iterator[Metric]:
        whole = True
        for part in PARTS:
            try:
                # As a list, so that a part that fails in the middle is left out as a
                # whole.
                yield from list(part())
            except Exception:
                # Not logged, because each scrape would repeat it; `firstlight_up` shows
                # it.
                whole = False
        up = GaugeMetricFamily(
            "firstlight_up", "1 where the database and the queue could be read, else 0."
        )
        up.add_metric([], float(whole))
        yield up


def _gauge(name: str, words: str, labels: list[str], values: Any) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"firstlight_{name}", words, labels=labels)
    for names, value in values:
        gauge.add_metric(list(names), float(value))
    return gauge


def runs() -> Iterator[Metric]:
    counted = {
        (pipeline, state): count
        for pipeline, state, count in Run.objects.values_list("pipeline", "state")
        .annotate(Count("pk"))
        .order_by()
    }
    pipelines = sorted({pipeline for pipeline, _ in counted})
    # With zeros for states without runs, so that each series exists before its first
    # run.
    every = [
        ((name, state.value), counted.get((name, state.value), 0))
        for name in pipelines
        for state in RunState
    ]
    yield _gauge("runs", "Runs by pipeline and state.", ["pipeline", "state"], every)


def step_durations() -> Iterator[Metric]:
    family = HistogramMetricFamily(
        "firstlight_step_duration_seconds",
        "Seconds of work in steps that ended well.",
        labels=["step"],
    )
    bounds = [*map(str, durations.BUCKETS), "+Inf"]
    for step, (counts, seconds) in durations.totals().items():
        family.add_metric([step], list(zip(bounds, counts, strict=True)), seconds)
    yield family


def hand_offs() -> Iterator[Metric]:
    """Yield the time from the end of a step to the start of the next one, for runs that
    were neither parked nor retried meanwhile.
    """
    since = clock.now() - RECENT
    # Later generations are left out, because their steps have waited for a user's
    # retry.
    began = StepRun.objects.filter(
        started_at__gte=since, idx__gt=0, run__generation=1
    ).order_by("-started_at")
    started: dict[tuple[Any, int], Any] = {
        (run, idx): at
        for run, idx, at in began.values_list("run", "idx", "started_at")[:AT_MOST]
    }
    before = StepRun.objects.filter(
        run__in={run for run, _ in started}, finished_at__isnull=False
    )
    ended: dict[tuple[Any, int], Any] = {
        (run, idx + 1): at for run, idx, at in before.values_list("run", "idx", "finished_at")
    }
    spans = [
        max(0.0, (at - ended[place]).total_seconds())
        for place, at in started.items()
        if place in ended
    ]
    values = (
        [((str(share),), percentile(sorted(spans), share) or 0.0) for share in (0.5, 0.99)]
        if spans
        else []
    )
    yield _gauge(
        "hand_off_recent_seconds",
        "From a step's end to the next one's start, within the last hour.",
        ["share"],
        values,
    )


def queues() -> Iterator[Metric]:
    now, silent = clock.now(), health.queues_without_workers()
    waiting = StepRun.objects.filter(state=StepState.READY, run__state=RunState.RUNNING)
    oldest = dict(waiting.values_list("queue").annotate(Min("dispatched_at")).order_by())
    ages = {queue: (now - at).total_seconds() for queue, at in oldest.items() if at}
    live = [queue for worker in health.live_workers() for queue in worker.queues]
    each: list[tuple[str, str, Callable[[str], float]]] = [
        ("queue_depth", "Messages that wait for a worker.", HUEY.pending_count),
        ("queue_workers", "Live worker processes that serve the queue.", live.count),
        (
            "queue_oldest_ready_seconds",
            "Age of the oldest step that is ready; 0 without one.",
            lambda q: ages.get(q, 0),
        ),
        (
            "queue_unseen_seconds",
            "Seconds since a worker was seen; 0 where one is there, +Inf where none was for a day.",
            lambda q: (
                (NEVER if silent[q] is None else silent[q] or 0.0) if q in silent else 0.0
            ),
        ),
    ]
    for name, words, value in each:
        yield _gauge(
            name, words, ["queue"], [((queue,), value(queue)) for queue in HUEY.queues]
        )
    age = health.sweeper_age()
    yield _gauge(
        "sweeper_age_seconds",
        "Seconds since a sweeper last looked at every live step.",
        [],
        [((), NEVER if age is None else age)],
    )


def outbox() -> Iterator[Metric]:
    states = [((state,), count) for state, count in mail_health.by_state().items()]
    yield _gauge("outbox_messages", "Emails by state.", ["state"], states)
    yield _gauge(
        "outbox_oldest_seconds",
        "Age of the oldest email that has not left.",
        [],
        [((), mail_health.oldest_due())],
    )
    away = mail_health.outage_seconds()
    yield _gauge(
        "mail_outage_seconds",
        "Seconds since the mail server refuses all email; 0 if it takes it.",
        [],
        [((), away)],
    )


def failed_receivers() -> Iterator[Metric]:
    """Yield the number of failed receivers by state: retrying, failing (the operators
    were notified), given_up, and done.
    """
    state = Case(
        When(state=ReceiverState.GIVEN_UP, then=Value("given_up")),
        When(state=ReceiverState.DONE, then=Value("done")),
        When(told_at=None, then=Value("retrying")),
        default=Value("failing"),
    )
    rows = (
        FailedReceiver.objects.annotate(shown=state)
        .values_list("shown")
        .annotate(Count("pk"))
        .order_by()
    )
    counted = dict(rows)
    states = ("retrying", "failing", "given_up", "done")
    values = [((name,), counted.get(name, 0)) for name in states]
    yield _gauge(
        "failed_receivers",
        "Receivers of signals that failed, by what became of them.",
        ["state"],
        values,
    )


def refresh_ages() -> Iterator[Metric]:
    """Yield the age of the last successful nightly run, and of the oldest last reading
    among the tracked repositories.
    """
    now = clock.now()
    nights = Run.objects.filter(
        pipeline=pipeline_names.NIGHTLY, state__in=[RunState.DONE, RunState.PARTIAL]
    )
    night = nights.aggregate(newest=Max("finished_at"))["newest"]
    oldest = TrackedRepository.objects.across_teams().aggregate(oldest=Min("last_synced_at"))[
        "oldest"
    ]
    for name, words, at in (
        (
            "nightly_age_seconds",
            "Seconds since a nightly run ended well; +Inf if none did.",
            night,
        ),
        (
            "sync_age_seconds",
            "Seconds since the repository that waits longest was read; +Inf without one.",
            oldest,
        ),
    ):
        yield _gauge(name, words, [], [((), (now - at).total_seconds() if at else NEVER)])


def processes() -> Iterator[Metric]:
    """Yield the release of this process, and the number of processes by release, which
    are two releases during an upgrade.
    """
    yield _gauge(
        "release_info",
        "The release of the process that answers.",
        ["release"],
        [((settings.RELEASE,), 1)],
    )
    counted = Counter((process.kind, process.release) for process in presence.running())
    yield _gauge(
        "processes", "Web processes and workers that run.", ["kind", "release"], counted.items()
    )


def database_pool() -> Iterator[Metric]:
    """Yield the connections of this process to PostgreSQL.

    A process without a pool has none of these figures.
    """
    pool = getattr(connections["default"], "pool", None)
    if pool is None:
        return
    stats = pool.get_stats()
    values = [
        (("open",), stats.get("pool_size", 0)),
        (("free",), stats.get("pool_available", 0)),
        (("most",), stats.get("pool_max", 0)),
    ]
    yield _gauge(
        "database_connections", "Connections of this process's pool.", ["state"], values
    )
    waiting = stats.get("requests_waiting", 0)
    yield _gauge(
        "database_waiting", "Requests that wait for a connection.", [], [((), waiting)]
    )


def redis_memory() -> Iterator[Metric]:
    """Yield whether Redis answers, and how full it is.

    Without Redis there are none of these figures.
    """
    if not settings.REDIS_URL:
        return
    facts = health.redis_facts()
    yield _gauge("redis_up", "1 if Redis answers, else 0.", [], [((), 1 if facts else 0)])
    if facts:
        yield _gauge(
            "redis_memory_bytes", "Memory that Redis uses.", [], [((), facts["used_memory"])]
        )
        limit = facts.get("maxmemory", 0)
        yield _gauge(
            "redis_memory_limit_bytes",
            "Redis' maxmemory; 0 if it has no limit.",
            [],
            [((), limit)],
        )
        clients = facts.get("connected_clients", 0)
        yield _gauge("redis_clients", "Connections to Redis.", [], [((), clients)])


def streams() -> Iterator[Metric]:
    yield _gauge(
        "streams", "Live pages that this process streams to.", [], [((), hub.open_streams())]
    )


def github_budgets() -> Iterator[Metric]:
    """Yield, for each credential, the points that are left and the time that it must
    wait. A credential is named by the first letters of its fingerprint.
    """
    now = clock.now()
    seen = ApiBudget.objects.filter(updated_at__gte=now - timedelta(days=1)).order_by("key")[
        :AT_MOST
    ]
    rows = [(budget.key[:8], budget) for budget in seen]
    yield _gauge(
        "github_points_left",
        "GitHub's points that are left in its hour, as it last said.",
        ["credential"],
        [
            ((name,), budget.points_left)
            for name, budget in rows
            if budget.points_left is not None
        ],
    )
    yield _gauge(
        "github_blocked_seconds",
        "Seconds for which GitHub asked to wait, from now; 0 without.",
        ["credential"],
        [
            (
                (name,),
                max(0.0, (budget.blocked_until - now).total_seconds())
                if budget.blocked_until
                else 0.0,
            )
            for name, budget in rows
        ],
    )


def llm_spend() -> Iterator[Metric]:
    """Yield this month's use of the language model, of all teams together."""
    month = LlmUse.objects.across_teams().filter(month=clock.now().date().replace(day=1))
    spent = month.aggregate(
        requests=Sum("requests"), tokens_in=Sum("tokens_in"), tokens_out=Sum("tokens_out")
    )
    yield _gauge(
        "llm_month_tokens",
        "Tokens that the language model's answers cost this month.",
        ["direction"],
        [(("in",), spent["tokens_in"] or 0), (("out",), spent["tokens_out"] or 0)],
    )
    yield _gauge(
        "llm_installation_month_tokens",
        "Tokens of all teams this month that count against the installation's budget.",
        [],
        [((), budget.used())],
    )
    yield _gauge(
        "llm_installation_month_limit",
        "The installation's budget of tokens a month; 0 if the model is off.",
        [],
        [((), settings.LLM_INSTALLATION_MONTHLY_TOKENS)],
    )
    yield _gauge(
        "llm_month_requests",
        "Answers of the language model this month.",
        [],
        [((), spent["requests"] or 0)],
    )


def oidc_groups() -> Iterator[Metric]:
    """Yield the number of teams in OIDC_GROUPS that do not exist, if it is set."""
    if settings.OIDC_GROUPS:
        words = "Teams that OIDC_GROUPS names and that do not exist."
        yield _gauge("oidc_unknown_teams", words, [], [((), len(unknown_teams()))])


PARTS: tuple[Callable[[], Iterator[Metric]], ...] = (
    runs,
    step_durations,
    hand_offs,
    queues,
    outbox,
    failed_receivers,
    refresh_ages,
    processes,
    database_pool,
    redis_memory,
    streams,
    github_budgets,
    llm_spend,
    oidc_groups,
)

# Not the library's default registry, in which other packages register figures of their
# own.
REGISTRY = CollectorRegistry(auto_describe=False)
REGISTRY.register(Rows())
REGISTRY.register(REQUESTS)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
