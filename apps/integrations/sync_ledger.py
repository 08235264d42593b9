"""The books of one sync: which repositories, how far each is, what was told of it.

Every change of a tracked repository happens in a unit of the step, together with the rows that it counts. The state
that is shown is always the committed one; nothing is counted twice, because a unit commits once or not at all.

A repository's cursor names the run that it belongs to. A new run starts it afresh; a run that finds a repository in the
hands of another live one waits for that one's end.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from apps.integrations.github.source import Problem
from apps.integrations.governor import budget_state
from apps.integrations.models import ApiBudget, SyncStatus, TrackedRepository
from apps.integrations.signals import onboarding_sync_completed, onboarding_sync_started, repository_sync_completed
from apps.metrics import early
from apps.metrics.models import DetailState, PullRequest, Repository, Source
from apps.metrics.records import PullRequestData
from apps.metrics.remembered import touch
from apps.metrics.signals import first_insight_found
from apps.pipelines.context import StepContext, Unit
from apps.pipelines.exceptions import Park, Permanent
from apps.pipelines.models import ACTIVE_RUN_STATES, Run

# Turns what goes wrong with one repository into its error.
Alone = Callable[[TrackedRepository], AbstractContextManager[None]]

OPEN = (SyncStatus.PENDING, SyncStatus.SYNCING)
UNIT = "pull requests"
# How many problems a repository's error names; the run's log has each of them.
NAMED = 10
# Of so many it is remembered that they are counted; more than that is no repository but a fault.
REMEMBERED = 500
OTHER_RUN_WAIT = timedelta(seconds=15)
# Seconds between two drawings of the first charts while the lists of pull requests arrive.
CHARTS_EVERY = 1.0


def repository_state(tracked: TrackedRepository) -> dict[str, Any]:
    """The whole current state of a repository, as the run's events carry it."""
    return {
        "id": tracked.pk,
        "sync_status": str(tracked.sync_status),
        "last_sync_error": tracked.last_sync_error,
        "phase": tracked.cursor.get("phase", ""),
        "found": tracked.cursor.get("found", 0),
        "done": tracked.done,
        "total": tracked.total,
        "seconds": tracked.cursor.get("seconds", 0),
    }


def shown_name(tracked: TrackedRepository) -> str:
    """The name under which a run shows a repository from its first moment, even if it is renamed meanwhile."""
    return str(tracked.cursor.get("name") or tracked.repository.full_name)


def window_of(tracked: TrackedRepository) -> QuerySet[PullRequest]:
    """The pull requests that the repository's sync is about: created in its window, or older and active in it."""
    since = tracked.cursor["since"]
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(repository_id=tracked.repository_id)
    return pulls.filter(Q(created_at__gte=since) | Q(updated_at__gte=since))


def known_updates(repository: Repository, external_ids: Sequence[str]) -> dict[str, datetime]:
    """When those of these pull requests that are stored were last changed, by external id."""
    # The repository's, and so its team's: asked for the team too, SQLite walks through all that there is.
    stored = PullRequest.objects.across_teams().filter(repository=repository).order_by()
    return dict(stored.filter(external_id__in=external_ids).values_list("external_id", "updated_at"))


def is_later(record: PullRequestData, known: Mapping[str, datetime]) -> bool:
    """Whether a record says more than what is stored."""
    return record.external_id not in known or known[record.external_id] < record.updated_at


def _newest(tracked: TrackedRepository) -> datetime | None:
    """The change up to which everything has been read."""
    if top := tracked.cursor.get("top"):
        return datetime.fromisoformat(top)
    newest: datetime | None = window_of(tracked).aggregate(newest=Max("updated_at"))["newest"]
    return newest


class Ledger:
    """The repositories of one attempt at the sync."""

    def __init__(self, ctx: StepContext, team_id: int) -> None:
        self.ctx = ctx
        self.team_id = team_id
        self.since = timezone.now()
        self.rows: list[TrackedRepository] = []
        self.budget: ApiBudget | None = None
        self._saved_at = time.monotonic()
        self._yield_at = time.monotonic() + ctx.step.deadline_seconds / 2
        self._drawn_at = float("-inf")

    def open(self, repo_ids: Sequence[int] | None, since: datetime) -> None:
        """Take the team's repositories in hand, or those named. `since` counts at the run's first attempt only."""
        with self.ctx.unit(unit=UNIT) as unit:
            unit.cursor.setdefault("since", since.isoformat())
            unit.cursor.setdefault("repo_ids", self._chosen(repo_ids))
            self.since = datetime.fromisoformat(unit.cursor["since"])
            self.rows = self._lock(unit.cursor["repo_ids"])
            self._wait_for_others()
            self._start_afresh([row for row in self.rows if row.cursor.get("run") != str(self.ctx.run.pk)])
            if self.rows and unit.cursor.get("started") != self.ctx.generation:
                unit.cursor["started"] = self.ctx.generation
                count = "1 repository" if len(self.rows) == 1 else f"{len(self.rows)} repositories"
                self.ctx.log(f"Reading {count}, back to {self.since:%Y-%m-%d}.")
                ids = [row.pk for row in self.rows]
                self.ctx.send(onboarding_sync_started, sender=TrackedRepository, team_id=self.team_id, repo_ids=ids)
            for row in self.rows:
                self._emit(row)

    def _chosen(self, repo_ids: Sequence[int] | None) -> list[int]:
        tracked = TrackedRepository.objects.for_team(self.team_id)
        known = set(tracked.values_list("pk", flat=True))
        if repo_ids is None:
            return sorted(known)
        if strangers := sorted(set(repo_ids) - known):
            raise Permanent(f"The team follows no repository with the id {strangers[0]}. Choose it first, then retry.")
        return sorted(set(repo_ids))

    def _lock(self, ids: Sequence[int]) -> list[TrackedRepository]:
        rows = TrackedRepository.objects.for_team(self.team_id).filter(pk__in=ids).order_by("pk")
        return list(rows.select_related("repository").select_for_update(of=("self",)))

    def _wait_for_others(self) -> None:
        holders = {row.cursor.get("run", ""): row for row in self.rows if row.sync_status in OPEN}
        holders.pop("", None)
        holders.pop(str(self.ctx.run.pk), None)
        for run_id in Run.objects.filter(pk__in=holders, state__in=ACTIVE_RUN_STATES).values_list("pk", flat=True):
            name = holders[str(run_id)].repository.full_name
            reason = f"{name} is being read by another run; this one goes on after it."
            raise Park(timezone.now() + OTHER_RUN_WAIT, reason)

    def _start_afresh(self, rows: Sequence[TrackedRepository]) -> None:
        for row in rows:
            row.cursor = self._first_cursor(row)
            row.sync_status, row.last_sync_error, row.done, row.total = SyncStatus.PENDING, "", 0, None
            row.save(update_fields=["cursor", "sync_status", "last_sync_error", "done", "total"])
        try_degraded_again(rows)

    def _first_cursor(self, row: TrackedRepository) -> dict[str, Any]:
        """Where a run begins: at the top of the list, or with the changes since the last whole window."""
        cursor: dict[str, Any] = {"run": str(self.ctx.run.pk), "name": row.repository.full_name, "phase": "skeleton"}
        since, deep = self.since, row.cursor.get("deep")
        if row.repository.source == Source.GITHUB and row.watermark and row.synced_since:
            # Whatever changed after the watermark belongs to it, or there would be a gap in what was read.
            since = min(since, row.watermark)
            if row.synced_since <= since or (deep and deep["whole"]):
                cursor |= {"phase": "update", "deep": deep}
            elif deep:
                cursor["after"] = deep["after"]
        return cursor | {"since": since.isoformat()}

    def check(self) -> None:
        """Before each outside call: stop where this attempt must, and give the worker to others now and then."""
        self.ctx.check()
        if time.monotonic() > self._yield_at:
            raise Park(timezone.now(), "Makes room for other work and goes on at once.")

    def unfinished(self, source: str | None = None) -> list[TrackedRepository]:
        """The repositories that are not ended, of one source or of all."""
        return [row for row in self.rows if row.sync_status in OPEN and source in (None, row.repository.source)]

    def pending(self, tracked: TrackedRepository) -> QuerySet[PullRequest]:
        """Those of the window whose details are to be read."""
        return window_of(tracked).filter(detail_state=DetailState.PENDING)

    def count(self, tracked: TrackedRepository) -> None:
        """The list is read: how many there are, and how many of them are whole already. Inside a unit."""
        tracked.total = window_of(tracked).count()
        tracked.done = tracked.total - self.pending(tracked).count()

    def save(self, tracked: TrackedRepository, unit: Unit, message: str = "") -> None:
        """Write how a repository stands, inside the open unit, and count it in the step's progress."""
        # Repositories are read one at a time: what passed since the last one was written went to this one.
        now = time.monotonic()
        tracked.cursor["seconds"] = round(tracked.cursor.get("seconds", 0) + now - self._saved_at, 1)
        self._saved_at = now
        tracked.save(
            update_fields=[
                "cursor", "sync_status", "last_sync_error", "done", "total", "watermark", "synced_since",
            ]
        )  # fmt: skip
        self._emit(tracked)
        if self.budget is not None:
            self.ctx.emit(kind="budget", key="github", data=budget_state(self.budget))
        if tracked.cursor["phase"] == "skeleton" and time.monotonic() - self._drawn_at >= CHARTS_EVERY:
            self._draw()
        totals = [row.total for row in self.rows if row.sync_status != SyncStatus.ERROR]
        unit.message = message or unit.message
        # As long as one is unknown there is no honest total.
        if None not in totals:
            unit.total = max(unit.total or 0, sum(row.total or 0 for row in self.rows))
            unit.done = max(unit.done, min(unit.total, sum(row.done for row in self.rows)))

    def outlined(self, start: datetime) -> None:
        """All lists are in back to `start`: the newest weeks are written, with a first finding, long before the details
        are."""
        now, done = timezone.now(), [self.ctx.generation, start.isoformat()]
        found = early.early_finding(self.team_id, now)
        with self.ctx.unit() as unit:
            if unit.cursor.get("outlined") == done:
                return
            unit.cursor["outlined"] = done
            early.write_newest(self.team_id, now)
            self._draw()
            insight = early.insight_state(self.team_id, found, preliminary=True)
            self.ctx.emit(kind="insight", key="first", data=insight)
            if insight and unit.cursor.get("found") != insight["title"]:
                unit.cursor["found"] = insight["title"]
                self.ctx.send(first_insight_found, run=self.ctx.run, title=insight["title"], preliminary=True)
                self.ctx.log(f"First finding, preliminary: {insight['title']}")

    def parked(self) -> None:
        """The step is about to wait: what is known of the budget is shown while it does."""
        if self.budget is not None:
            with self.ctx.unit(last=True):
                self.budget.refresh_from_db()
                self.ctx.emit(kind="budget", key="github", data=budget_state(self.budget))

    def _draw(self) -> None:
        """The first charts, from what has been read. A week is whole once every list has come past it."""
        self._drawn_at = time.monotonic()
        reading = [row.repository_id for row in self.rows if row.sync_status in OPEN and self._in_list(row)]
        whole_from = None
        if reading:
            pulls = PullRequest.objects.for_team(self.team_id).filter(repository_id__in=reading)
            reached = dict(pulls.values_list("repository_id").annotate(Min("created_at")).order_by())
            # One of which nothing has been read may still change every week.
            whole_from = max(reached.get(key, timezone.now()) for key in reading)
        data = early.weeks_state(self.team_id, timezone.now(), preliminary=True, whole_from=whole_from)
        self.ctx.emit(kind="weeks", key="team", data=data)

    @staticmethod
    def _in_list(tracked: TrackedRepository) -> bool:
        return bool(tracked.cursor.get("phase", "skeleton") == "skeleton")

    def _emit(self, tracked: TrackedRepository) -> None:
        self.ctx.emit(kind="repository", key=shown_name(tracked), data=repository_state(tracked))

    def note(self, tracked: TrackedRepository, problems: Iterable[Problem]) -> None:
        """Record what could not be read: each in the log, the first few in the repository's error. Inside a unit."""
        for problem in problems:
            noted = tracked.cursor.setdefault("problems", {"count": 0, "named": [], "known": []})
            if problem["what"] in noted["known"]:
                continue
            if len(noted["known"]) < REMEMBERED:
                noted["known"].append(problem["what"])
            noted["count"] += 1
            if len(noted["named"]) < NAMED:
                noted["named"].append(problem)
            name = tracked.repository.full_name
            self.ctx.log(f"{name}: {problem['what']} could not be read: {problem['why']}", level="warning")

    def read_after_all(self, tracked: TrackedRepository, records: Iterable[PullRequestData]) -> None:
        """Forget of what could not be read what has come with a later page."""
        noted = tracked.cursor.get("problems")
        came = {f"#{record.number}" for record in records} & set(noted["known"]) if noted else set()
        if not noted or not came:
            return
        noted["known"] = [what for what in noted["known"] if what not in came]
        noted["named"] = [problem for problem in noted["named"] if problem["what"] not in came]
        noted["count"] -= len(came)
        if not noted["count"]:
            del tracked.cursor["problems"]

    def end(self, tracked: TrackedRepository) -> None:
        """The whole window is in: complete, or partial where something of it could not be read."""
        with self.ctx.unit(last=True) as unit:
            why = self._incomplete(tracked)
            tracked.sync_status = SyncStatus.PARTIAL if why else SyncStatus.COMPLETE
            tracked.last_sync_error = why
            tracked.cursor = {**tracked.cursor, "phase": "end"}
            if not why:
                newest = _newest(tracked)
                tracked.watermark = max(filter(None, (newest, tracked.watermark)), default=None)
                tracked.synced_since = min(filter(None, (self.since, tracked.synced_since)))
            name = tracked.repository.full_name
            self.save(tracked, unit, f"{name}: {tracked.done} pull requests")
            status = tracked.get_sync_status_display().lower()
            self.ctx.log(f"{name}: {status}, {tracked.done} pull requests. {why}".strip())
            self.ctx.send(
                repository_sync_completed,
                sender=TrackedRepository,
                team_id=self.team_id,
                repo_id=tracked.pk,
                prs_synced=tracked.done,
            )

    def _incomplete(self, tracked: TrackedRepository) -> str:
        noted = tracked.cursor.get("problems", {"count": 0, "named": []})
        rest = window_of(tracked).exclude(detail_state=DetailState.COMPLETE).order_by("-created_at")
        named = [f"{problem['what']} ({problem['why']})" for problem in noted["named"]]
        for number, error in rest.values_list("number", "detail_error")[:NAMED]:
            named.append(f"#{number} ({error or 'its commits and reviews are not read yet'})")
        count = noted["count"] + rest.count()
        if not count:
            return ""
        more = f"; and {count - NAMED} more" if count > NAMED else ""
        return f"Not everything could be read, {count} missing or incomplete: {'; '.join(named[:NAMED])}{more}."

    def fail(self, tracked: TrackedRepository, why: str) -> None:
        """The repository cannot be read; the others go on."""
        with self.ctx.unit(last=True) as unit:
            self._mark_failed(tracked, why, unit)

    def fail_all(self, why: str) -> None:
        """None of the open repositories can be read."""
        with self.ctx.unit() as unit:
            for tracked in self.unfinished():
                self._mark_failed(tracked, why, unit)

    def _mark_failed(self, tracked: TrackedRepository, why: str, unit: Unit) -> None:
        tracked.sync_status, tracked.last_sync_error = SyncStatus.ERROR, why
        self.save(tracked, unit)
        self.ctx.log(f"{tracked.repository.full_name}: {why}", level="error")

    def close(self) -> None:
        """Tell that the sync is over, once in a generation."""
        good = [row for row in self.rows if row.sync_status != SyncStatus.ERROR]
        with self.ctx.unit() as unit:
            if unit.cursor.get("finished") == self.ctx.generation:
                return
            unit.cursor["finished"] = self.ctx.generation
            self.ctx.send(
                onboarding_sync_completed,
                sender=TrackedRepository,
                team_id=self.team_id,
                repos_synced=len(good),
                total_prs=sum(row.done for row in good),
                failed_repos=len(self.rows) - len(good),
            )


def try_degraded_again(rows: Sequence[TrackedRepository]) -> None:
    """Give pull requests whose details could not be read another chance."""
    for row in rows:
        pulls = PullRequest.objects.for_team(row.team_id).filter(repository_id=row.repository_id)
        if pulls.filter(detail_state=DetailState.DEGRADED).update(detail_state=DetailState.PENDING, detail_error=""):
            touch(row.team_id)
