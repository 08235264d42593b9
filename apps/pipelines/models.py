"""Runs, their steps, and their events. These rows are the truth about every pipeline; a
message in the queue only asks a worker to read them.

    run    running <-> paused
           running -> done | partial | failed | cancelled, and back to running by a
           retry (a new generation)
    step   waiting -> ready -> running -> done | partial | skipped | failed | cancelled
                        ^        |
                        +-- parked (until T: a back-off or a limit)

When a run is paused, its ready step is sent when the run is resumed, and its running
step ends the current unit first.

Exactly one epoch of a run is valid. It is stored on the step rows, because a claim is
one compare-and-set on one row. Locks are always taken in this order: steps by index,
then the run, then the rows that receivers change.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.pipelines.remedy import Remedy


class RunState(models.TextChoices):
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    PARTIAL = "partial", "Partial"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Canceled"


class StepState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    READY = "ready", "Ready"
    RUNNING = "running", "Running"
    PARKED = "parked", "Delayed"
    DONE = "done", "Done"
    PARTIAL = "partial", "Partial"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Canceled"


# States in which a run can still move: only one run of a kind may be in one.
ACTIVE_RUN_STATES = (RunState.RUNNING, RunState.PAUSED)
# States of a step after which the run goes on.
PASSED = (StepState.DONE, StepState.PARTIAL, StepState.SKIPPED)
# States from which a worker or the sweeper has to move a step on.
LIVE = (StepState.READY, StepState.RUNNING, StepState.PARKED)


class Run(models.Model):
    """One execution of a pipeline for one subject.

    `subject` is the product's own key of a tenant ("team:5"), which the engine does not
    interpret. Only one live run may have a `dedupe_key`. `params` are the arguments of
    the step bodies. `seq` numbers the events. `percent` never falls within a
    generation. `kind` is the product's name for the purpose of the run ("nightly").
    `cause` and `remedy` explain a failed run, see `apps.pipelines.remedy`. `act` is
    what a person last did to the run ("paused"), with the person and the time.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pipeline = models.CharField(max_length=60)
    definition_version = models.PositiveIntegerField(default=1)
    subject = models.CharField(max_length=120)
    dedupe_key = models.CharField(max_length=200)
    once_key = models.CharField(max_length=200, null=True, blank=True, unique=True)
    params = models.JSONField(default=dict)
    state = models.CharField(max_length=20, choices=RunState, default=RunState.RUNNING)
    epoch = models.PositiveIntegerField(default=1)
    generation = models.PositiveIntegerField(default=1)
    seq = models.PositiveBigIntegerField(default=0)
    percent = models.PositiveSmallIntegerField(default=0)
    eta_seconds = models.PositiveIntegerField(null=True, blank=True)
    missing = models.JSONField(default=list)
    error = models.TextField(blank=True)
    kind = models.CharField(max_length=20, blank=True, default="", db_default="")
    cause = models.CharField(max_length=40, blank=True, default="", db_default="")
    remedy = models.CharField(
        max_length=12, blank=True, default="", db_default="", choices=Remedy
    )
    act = models.CharField(max_length=12, blank=True, default="", db_default="")
    acted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    # The person's name at that time; also set for actors without an account.
    acted_by_name = models.CharField(max_length=150, blank=True, default="", db_default="")
    acted_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField()
    generation_started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    # When the events of the ended run were reduced to what a late reader needs.
    compacted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "dedupe_key"],
                name="run_one_live",
                condition=Q(state__in=ACTIVE_RUN_STATES),
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "-created_at"], name="run_by_subject"),
            models.Index(
                fields=["finished_at"], name="run_to_compact", condition=Q(compacted_at=None)
            ),
        ]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.pipeline} {self.id} ({self.state})"

    @property
    def is_live(self) -> bool:
        return self.state in ACTIVE_RUN_STATES


class StepRun(models.Model):
    """One step of one run, with everything that a worker needs to continue after
    another worker.

    `failures` counts errors and `crashes` counts vanished workers, each against a
    budget; neither grows by a release or a park. `hung` counts what had to be ended
    from outside, see `hangs`. `cursor` is the position after the last committed unit.
    `done` and `total` count `unit`s; a `total` of None is unknown.
    """

    # The constraint `step_order` has an index for it; another one would be written at
    # each change.
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)
    idx = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=40)
    title = models.CharField(max_length=120)
    task = models.CharField(max_length=120)
    queue = models.CharField(max_length=40)
    weight = models.PositiveIntegerField(default=1)
    max_failures = models.PositiveIntegerField(default=3)
    max_crashes = models.PositiveIntegerField(default=5)
    backoff_seconds = models.FloatField(default=5.0)
    deadline_seconds = models.FloatField(default=3600.0)

    state = models.CharField(max_length=20, choices=StepState, default=StepState.WAITING)
    epoch = models.PositiveIntegerField(default=1)
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    owner = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    parked_at = models.DateTimeField(null=True, blank=True)
    parked_until = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    redispatches = models.PositiveIntegerField(default=0)

    cursor = models.JSONField(default=dict)
    hung = models.JSONField(default=dict, db_default={}, blank=True)
    result = models.JSONField(default=dict)
    missing = models.JSONField(default=list)
    error = models.TextField(blank=True)
    # Why the step waits or has failed: see `apps.pipelines.remedy`.
    cause = models.CharField(max_length=40, blank=True, default="", db_default="")
    remedy = models.CharField(
        max_length=12, blank=True, default="", db_default="", choices=Remedy
    )
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    unit = models.CharField(max_length=60, blank=True)
    message = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    attempt_started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Seconds spent in attempts of this generation. Time parked or queued is left out,
    # so that an estimate counts work only.
    active_seconds = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            # Keys and tasks are unique in a pipeline's definition.
            models.UniqueConstraint(fields=["run", "idx"], name="step_order"),
        ]
        indexes = [
            models.Index(fields=["state"], name="step_live", condition=Q(state__in=LIVE))
        ]
        ordering = ["run", "idx"]

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"

    @property
    def seconds(self) -> float | None:
        """Wall time from the first claim to the end, in seconds; None while it runs."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Event(models.Model):
    """One change of a run, in order.

    `data` is the whole new state of what `kind` and `key` name, never a delta.
    """

    # The constraint `event_order` has an index for it. The foreign key needs no check:
    # events are only written while their run's row is locked.
    run = models.ForeignKey(
        Run,
        on_delete=models.CASCADE,
        related_name="events",
        db_index=False,
        db_constraint=False,
    )
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    # "run", "step", "log", "receiver_failed", or a kind of the product's own
    # ("repository").
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=300, blank=True)
    level = models.CharField(max_length=10, default="info")
    message = models.TextField(blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_order")]
        indexes = [models.Index(fields=["run", "kind", "key", "seq"], name="event_newest")]
        ordering = ["run", "seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind} {self.key} {self.message}"


class Worker(models.Model):
    """A worker process: its identity, its queues, and when it was last seen.

    Rows of ended processes are removed after a day.
    """

    owner = models.CharField(max_length=200, unique=True)
    queues = models.JSONField(default=list)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    # When its sweeper last checked every live step without an error.
    swept_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = [F("seen_at").desc()]

    def __str__(self) -> str:
        return self.owner


class ProcessSeen(models.Model):
    """A web process or a worker that runs, with its release and a fingerprint of its
    first key.
    """

    owner = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20)
    # The queues of a worker; empty for a web process.
    detail = models.CharField(max_length=100, blank=True)
    host = models.CharField(max_length=100)
    pid = models.IntegerField()
    release = models.CharField(max_length=60, blank=True)
    key = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["started_at"]

    def __str__(self) -> str:
        detail = f" of {self.detail}" if self.detail else ""
        return f"{self.kind}{detail} (process {self.pid} on {self.host}, release {self.release or 'unknown'})"


class StepDuration(models.Model):
    """How many steps of a key ended well within a range of seconds, and how long they
    worked; see `durations`.
    """

    step = models.CharField(max_length=60)
    bucket = models.SmallIntegerField()
    count = models.BigIntegerField(default=0, db_default=0)
    seconds = models.FloatField(default=0.0, db_default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint("step", "bucket", name="pipelines_step_duration")
        ]

    def __str__(self) -> str:
        return f"{self.step}, {self.bucket}: {self.count}"


class Incident(models.Model):
    """An unexpected exception, for operators; members read its reference alone.

    Kept for 90 days.
    """

    reference = models.CharField(max_length=12, unique=True)
    at = models.DateTimeField(db_index=True)
    where = models.CharField(max_length=200)
    # The traceback, masked.
    details = models.TextField()
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="incidents"
    )

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.reference} {self.where}"


class ReceiverState(models.TextChoices):
    """waiting -> done | given up, and back to waiting by an operator."""

    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    GIVEN_UP = "given_up", "Given up"


class FailedReceiver(models.Model):
    """A receiver of a signal that raised, until it is done (see `redelivery`).

    Ended ones are kept for 90 days.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="failed_receivers")
    # "apps.pipelines.signals.pipeline_completed"; empty if the signal or its arguments
    # can't be stored.
    signal = models.CharField(max_length=200, blank=True)
    receiver = models.CharField(max_length=300)
    arguments = models.JSONField(default=dict)
    state = models.CharField(
        max_length=20, choices=ReceiverState, default=ReceiverState.WAITING
    )
    attempts = models.PositiveIntegerField(default=1)
    failed_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    # After this time it is no longer retried automatically.
    patient_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # When the operators were notified that it keeps failing.
    told_at = models.DateTimeField(null=True, blank=True)
    # The reference of the first failure, and the text of the last one.
    reference = models.CharField(max_length=12)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="receiver_due",
                condition=Q(state=ReceiverState.WAITING),
            )
        ]
        ordering = ["-failed_at"]

    def __str__(self) -> str:
        return f"{self.receiver} ({self.state})"
