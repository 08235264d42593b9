"""The state of one sync: its repositories, how far each is, and what was published of
it.

Every change of a tracked repository happens in a unit of the step, together with the
rows that it counts. Pages always show the committed state. Nothing is counted twice,
because a unit commits once or not at all.

A repository's cursor contains the run that it belongs to. A new run starts the cursor
afresh. If another live run is reading a repository, the new run waits for that run's
end.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, QuerySet
from django.utils import timezone

from apps.integrations.models import ApiBudget, SyncStatus, TrackedRepository
from apps.integrations.signals import (
    onboarding_sync_completed,
    onboarding_sync_started,
    repository_sync_completed,
)
from apps.integrations.sources import base
from apps.integrations.sources.base import Source
from apps.integrations.sources.errors import UnknownSource
from apps.integrations.sources.reading import OPEN, REMEMBERED, UNIT, Problem, window_of
from apps.integrations.sync import attempts
from apps.integrations.sync.removed import Removed, is_tracked, states_of
from apps.masking import storable
from apps.metrics import run_events
from apps.metrics.cache import touch
from apps.metrics.figures.moments import TOLERANCE
from apps.metrics.ingest.identities import remove_unseen
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.insights import preview
from apps.metrics.models import DetailState, PullRequest
from apps.metrics.records import PullRequestData
from apps.metrics.run_events import BudgetEvent, InsightEvent, RepositoryEvent
from apps.metrics.signals import first_insight_found
from apps.pipelines import portions
from apps.pipelines.context import StepContext, Unit
from apps.pipelines.exceptions import Park, Permanent
from apps.pipelines.models import ACTIVE_RUN_STATES, Run
from apps.pipelines.projection import WAIT
from apps.pipelines.remedy import Remedy

# The most problems that a repository's error names; the run's log has each of them.
NAMED = 10
# The key of the budget among the run's events.
BUDGET = "api"
OTHER_RUN_WAIT = timedelta(seconds=15)
# Seconds between two updates of the first charts while the lists arrive.
CHARTS_EVERY = 1.0


def repository_event(tracked: TrackedRepository) -> RepositoryEvent:
    """Return the whole current state of a repository."""
    return RepositoryEvent(
        id=tracked.pk,
        sync_status=str(tracked.sync_status),
        last_sync_error=tracked.last_sync_error,
        cause=tracked.cause,
        remedy=tracked.remedy,
        phase=tracked.cursor.get("phase", ""),
        found=tracked.cursor.get("found", 0),
        done=tracked.done,
        total=tracked.total,
        seconds=tracked.cursor.get("seconds", 0),
    )


def shown_name(tracked: TrackedRepository) -> str:
    """Return the name under which a run shows a repository from its first moment, even
    if it is renamed meanwhile.
    """
    return str(tracked.cursor.get("name") or tracked.repository.full_name)


def budget_event(budget: ApiBudget) -> BudgetEvent:
    """Return the fields of a budget that a page shows."""
    resets_at = budget.resets_at.isoformat() if budget.resets_at else None
    return BudgetEvent(
        points=budget.points, points_left=budget.points_left, resets_at=resets_at
    )


class SyncState:
    """The repositories of one attempt at the sync."""

    def __init__(
        self, ctx: StepContext, team_id: int, *, verify: bool = False, nights: int = 0
    ) -> None:
        """`verify` compares everything with the source, `nights` a share of it, so that
        so many runs compare everything.
        """
        self.ctx = ctx
        self.verify, self._nights = verify, nights
        self.team_id = team_id
        self.since = timezone.now()
        self.rows: list[TrackedRepository] = []
        # The sources of the rows, by the name that the rows have for them.
        self.sources: dict[str, Source] = {}
        # The names of repositories that this run had to read and whose rows were
        # deleted meanwhile.
        self.removed: list[str] = []
        self.budget: ApiBudget | None = None
        self._saved_at = time.monotonic()
        # Well before the deadline, which would count as a failure.
        self._yield_at = time.monotonic() + ctx.step.deadline_seconds / 2
        self._drawn_at = float("-inf")

    def open(self, repo_ids: Sequence[int] | None, since: datetime) -> None:
        """Claim the team's repositories, or those named.

        `since` is used at the run's first attempt only.
        """
        with self.ctx.unit(unit=UNIT) as unit:
            # Set once: a later attempt must read the same window and the same
            # repositories.
            unit.cursor.setdefault("since", since.isoformat())
            unit.cursor.setdefault("repo_ids", self._chosen(repo_ids))
            self.since = datetime.fromisoformat(unit.cursor["since"])
            self.rows = self._lock(unit.cursor["repo_ids"])
            self._note_removed(unit)
            self._wait_for_others()
            self._find_sources()
            self._start_afresh(
                [row for row in self.rows if row.cursor.get("run") != str(self.ctx.run.pk)]
            )
            if self.rows and unit.cursor.get("started") != self.ctx.generation:
                unit.cursor["started"] = self.ctx.generation
                count = (
                    "1 repository" if len(self.rows) == 1 else f"{len(self.rows)} repositories"
                )
                self.ctx.log(f"Reading {count}, back to {self.since:%Y-%m-%d}.")
                ids = [row.pk for row in self.rows]
                self.ctx.send(
                    onboarding_sync_started,
                    sender=TrackedRepository,
                    team_id=self.team_id,
                    repo_ids=ids,
                )
            for row in self.rows:
                self._emit(row)
        for row in self.unfinished():
            if row.repository.source not in self.sources:
                self.fail(row, UnknownSource())

    def _find_sources(self) -> None:
        """Find the source of each repository. One that is no longer registered is left
        out.
        """
        names = {row.repository.source for row in self.rows}
        for rows in [source.rows for source in base.registered()]:
            if rows in names and rows not in self.sources:
                self.sources[rows] = base.reading(self.team_id, rows)

    def _source_of(self, tracked: TrackedRepository) -> Source:
        """Return the source of a repository. Raises UnknownSource."""
        source = self.sources.get(tracked.repository.source)
        if source is None:
            raise UnknownSource
        return source

    def _chosen(self, repo_ids: Sequence[int] | None) -> list[int]:
        tracked = TrackedRepository.objects.for_team(self.team_id)
        known = set(tracked.values_list("pk", flat=True))
        if repo_ids is None:
            return sorted(known)
        strangers = sorted(set(repo_ids) - known)
        # A pipeline is only started with repositories of the team. A single step may
        # get ids from any caller.
        if strangers and not self.ctx.run.kind:
            raise Permanent(
                f"The team tracks no repository with the id {strangers[0]}. Choose it first, then "
                "retry."
            )
        return sorted(set(repo_ids))

    def _note_removed(self, unit: Unit) -> None:
        """Record the names of those whose rows were deleted since this generation
        began. A retry continues without them.
        """
        gone = set(unit.cursor["repo_ids"]) - {row.pk for row in self.rows}
        if not gone:
            return
        # The first attempt of a retry: the removed ones were reported by the generation
        # before.
        if self.ctx.generation > 1 and unit.cursor.get("started") != self.ctx.generation:
            unit.cursor["repo_ids"] = [row.pk for row in self.rows]
            return
        error = Removed()
        known = states_of(self.ctx.run, gone)
        for pk in sorted(gone):
            name, event = known.get(pk, (f"repository {pk}", None))
            self.removed.append(name)
            if event is not None:
                failed = replace(
                    event,
                    sync_status=str(SyncStatus.ERROR),
                    last_sync_error=str(error),
                    cause=error.cause,
                    remedy=str(error.remedy),
                )
                run_events.emit(self.ctx, name, failed)

    def _lock(self, ids: Sequence[int]) -> list[TrackedRepository]:
        rows = (
            # In the order of keys, so that two runs at once cannot block each other.
            TrackedRepository.objects.for_team(self.team_id).filter(pk__in=ids).order_by("pk")
        )
        return list(rows.select_related("repository").select_for_update(of=("self",)))

    def _wait_for_others(self) -> None:
        holders = {
            row.cursor.get("run", ""): row for row in self.rows if row.sync_status in OPEN
        }
        # Rows without a run were never read.
        holders.pop("", None)
        holders.pop(str(self.ctx.run.pk), None)
        for run_id in Run.objects.filter(
            pk__in=holders, state__in=ACTIVE_RUN_STATES
        ).values_list("pk", flat=True):
            name = holders[str(run_id)].repository.full_name
            reason = f"{name} is being read by another run; this one continues after it."
            raise Park(timezone.now() + OTHER_RUN_WAIT, reason, cause="other_run")

    def _start_afresh(self, rows: Sequence[TrackedRepository]) -> None:
        for row in rows:
            row.cursor = self._first_cursor(row)
        if self._nights and not self.verify:
            for name, source in self.sources.items():
                of_source = [row for row in rows if row.repository.source == name]
                source.plan_comparison(of_source, self._nights)
        for row in rows:
            row.sync_status, row.done, row.total = SyncStatus.PENDING, 0, None
            attempts.begin(row)
            places = ("cursor", "sync_status", "done", "total", "watermark", "synced_since")
            row.save(update_fields=[*places, *attempts.COLUMNS])
        try_degraded_again(rows)

    def _first_cursor(self, row: TrackedRepository) -> dict[str, Any]:
        """Return the cursor of a new run, at the place where the source begins."""
        cursor: dict[str, Any] = {
            "run": str(self.ctx.run.pk),
            "name": row.repository.full_name,
            "phase": "skeleton",
            "since": self.since.isoformat(),
        }
        if row.watermark and row.watermark > timezone.now() + TOLERANCE:
            # An earlier release took the watermark from a clock that was ahead. It is
            # therefore unknown up to which change everything has been read.
            row.watermark = row.synced_since = None
        source = self.sources.get(row.repository.source)
        return cursor if source is None else cursor | source.begin(row, self.since)

    def check(self) -> None:
        """Stop if this attempt must, and from time to time yield the worker to others.
        Call it before each outside call.
        """
        self.ctx.check()
        if time.monotonic() > self._yield_at:
            raise Park(
                timezone.now(),
                "Lets other work run, then continues.",
                cause="fairness",
            )

    def unfinished(self, source: str | None = None) -> list[TrackedRepository]:
        """Return the repositories whose sync has not ended, of one source or of all."""
        rows = [row for row in self.rows if row.sync_status in OPEN]
        if source is None:
            return rows
        return [row for row in rows if row.repository.source == source]

    def pending(self, tracked: TrackedRepository) -> QuerySet[PullRequest]:
        """Return the pull requests of the window whose details have to be read."""
        return window_of(tracked).filter(detail_state=DetailState.PENDING)

    def count(self, tracked: TrackedRepository) -> None:
        """Count the pull requests of a list that has been read, and those with details
        already.

        Call it inside a unit.
        """
        tracked.total = window_of(tracked).count()
        tracked.done = tracked.total - self.pending(tracked).count()

    def save(self, tracked: TrackedRepository, unit: Unit, message: str = "") -> None:
        """Write a repository's sync state inside the open unit, and count it in the
        step's progress.
        """
        # Repositories are read one at a time, so the time since the last write belongs
        # to this one.
        now = time.monotonic()
        tracked.cursor["seconds"] = round(
            tracked.cursor.get("seconds", 0) + now - self._saved_at, 1
        )
        self._saved_at = now
        if tracked.cause != Removed.cause:
            self._write(tracked)
        self._emit(tracked)
        if self.budget is not None:
            run_events.emit(self.ctx, BUDGET, budget_event(self.budget))
        if (
            tracked.cursor["phase"] == "skeleton"
            and time.monotonic() - self._drawn_at >= CHARTS_EVERY
        ):
            self._draw()
        unit.message = message or unit.message
        asked = self._asked()
        if asked is not None:
            unit.total = asked
            unit.done = min(asked, max(unit.done, sum(row.done for row in self.rows)))

    def _write(self, tracked: TrackedRepository) -> None:
        if not is_tracked(tracked, lock=True):
            raise Removed
        tracked.save(
            update_fields=[
                "cursor",
                "sync_status",
                "done",
                "total",
                "watermark",
                "synced_since",
                "outside",
                *attempts.COLUMNS,
            ]
        )

    def _asked(self) -> int | None:
        """Return how many pull requests the run has to read; None if that is not known
        yet.

        A repository that failed before its list was read counts as the mean of the
        others, so that the percentage shows that it is missing.
        """
        known = [row.total for row in self.rows if row.total is not None]
        unknown = [row for row in self.rows if row.total is None]
        if not known or any(row.sync_status != SyncStatus.ERROR for row in unknown):
            return None
        return sum(known) + round(len(unknown) * sum(known) / len(known))

    def on_listed(self, start: datetime) -> None:
        """Write the newest weeks with a first insight, once all lists are read back to
        `start`. The details follow much later.
        """
        now, done = timezone.now(), [self.ctx.generation, start.isoformat()]
        found = preview.early_finding(self.team_id, now)
        with self.ctx.unit() as unit:
            if unit.cursor.get("outlined") == done:
                return
            unit.cursor["outlined"] = done
            preview.write_newest(self.team_id, now)
            self._draw()
            insight = preview.insight_event(self.team_id, found, preliminary=True)
            if insight is None:
                run_events.clear(self.ctx, "first", InsightEvent)
                return
            run_events.emit(self.ctx, "first", insight)
            if unit.cursor.get("found") != insight.title:
                unit.cursor["found"] = insight.title
                self.ctx.send(
                    first_insight_found, run=self.ctx.run, title=insight.title, preliminary=True
                )
                self.ctx.log(f"First insight (preliminary): {insight.title}")

    def note_continues(self) -> None:
        """Show that the step no longer waits."""
        self.ctx.emit(kind=WAIT, key="step", data={})

    def note_wait(self, cause: str, reason: str) -> None:
        """Show that the step waits for a permit, and why."""
        note = {
            "attempt": self.ctx.attempt,
            "since": timezone.now().isoformat(),
            "cause": cause,
            "reason": reason,
        }
        with self.ctx.unit(last=True):
            self.ctx.emit(kind=WAIT, key="step", data=note)

    def parked(self) -> None:
        """Show what is known of the budget while the step waits. Call it before the
        step parks.
        """
        if self.budget is not None:
            with self.ctx.unit(last=True):
                self.budget.refresh_from_db()
                run_events.emit(self.ctx, BUDGET, budget_event(self.budget))

    def _draw(self) -> None:
        """Write the first charts from what has been read.

        A week is complete once every list has passed it.
        """
        self._drawn_at = time.monotonic()
        reading = [
            row.repository_id
            for row in self.rows
            if row.sync_status in OPEN and self._in_list(row)
        ]
        whole_from = None
        if reading:
            pulls = PullRequest.objects.for_team(self.team_id).filter(repository_id__in=reading)
            reached = dict(
                pulls.values_list("repository_id").annotate(Min("created_at")).order_by()
            )
            # A repository without any page so far may still change every week.
            whole_from = max(reached.get(key, timezone.now()) for key in reading)
        event = preview.weeks_event(
            self.team_id, timezone.now(), preliminary=True, whole_from=whole_from
        )
        run_events.emit(self.ctx, "team", event)

    @staticmethod
    def _in_list(tracked: TrackedRepository) -> bool:
        return bool(tracked.cursor.get("phase", "skeleton") == "skeleton")

    def _emit(self, tracked: TrackedRepository) -> None:
        run_events.emit(self.ctx, shown_name(tracked), repository_event(tracked))

    def note(self, tracked: TrackedRepository, problems: Iterable[Problem]) -> None:
        """Record what could not be read: each problem in the log, and the first few in
        the repository's error. Call it inside a unit.
        """
        for problem in problems:
            noted = tracked.cursor.setdefault(
                "problems", {"count": 0, "named": [], "known": []}
            )
            if problem["what"] in noted["known"]:
                continue
            if len(noted["known"]) < REMEMBERED:
                noted["known"].append(problem["what"])
            noted["count"] += 1
            if len(noted["named"]) < NAMED:
                named = Problem(
                    what=problem["what"],
                    why=storable(problem["why"]),
                    url=problem.get("url", ""),
                )
                noted["named"].append(named)
            name = tracked.repository.full_name
            finding = problem.get("finding") or problem["why"]
            self.ctx.log(
                f"{name}: {problem['what']} could not be read: {finding}", level="warning"
            )

    def ingest(
        self,
        tracked: TrackedRepository,
        records: Sequence[PullRequestData],
        changed: set[int] | None = None,
        older: set[str] | None = None,
        *,
        read_at: datetime | None = None,
        is_authoritative: bool = False,
    ) -> list[PullRequestData]:
        """Write the records of a repository inside the open unit, and return those that
        were left out.

        A record whose writing hung before is left out and recorded as a problem. The
        keys of new and changed pull requests are added to `changed`. The external ids
        of complete records that are older than their rows are added to `older`. See
        `ingest_pull_requests` for the other arguments.
        """
        name = tracked.repository.full_name
        left_out: list[PullRequestData] = []
        for portion in portions.of(self.ctx, records, lambda some: _records_name(name, some)):
            if portion.skipped:
                self.note(
                    tracked, [Problem(what=f"#{portion.items[0].number}", why=portion.why)]
                )
                left_out += portion.items
                continue
            with portion.watched():
                result = ingest_pull_requests(
                    tracked.repository,
                    portion.items,
                    read_at=read_at,
                    is_authoritative=is_authoritative,
                )
            if changed is not None:
                changed |= result.changed
            if older is not None:
                older |= result.older
        return left_out

    def read_after_all(
        self, tracked: TrackedRepository, records: Iterable[PullRequestData]
    ) -> None:
        """Forget problems of pull requests that a later page contained."""
        noted = tracked.cursor.get("problems")
        came = (
            {f"#{record.number}" for record in records} & set(noted["known"])
            if noted
            else set()
        )
        if not noted or not came:
            return
        noted["known"] = [what for what in noted["known"] if what not in came]
        noted["named"] = [problem for problem in noted["named"] if problem["what"] not in came]
        noted["count"] -= len(came)
        if not noted["count"]:
            del tracked.cursor["problems"]

    def end(self, tracked: TrackedRepository) -> None:
        """End the sync of a repository whose window was read: complete, or partial if a
        part of it could not be read.
        """
        source = self._source_of(tracked)
        with self.ctx.unit(last=True) as unit:
            why = storable(self._incomplete(tracked), attempts.LONGEST_REASON)
            tracked.sync_status = SyncStatus.PARTIAL if why else SyncStatus.COMPLETE
            tracked.last_sync_error = why
            tracked.cause = "incomplete" if why else ""
            tracked.remedy = Remedy.RETRY if why else ""
            attempts.succeed(tracked)
            tracked.cursor = {**tracked.cursor, "phase": "end"}
            # Each missing pull request has a row, so the next run asks for it. That is
            # not the case if the list itself could not be read.
            if "problems" not in tracked.cursor:
                newest = source.newest(tracked)
                tracked.watermark = max(filter(None, (newest, tracked.watermark)), default=None)
                tracked.synced_since = min(filter(None, (self.since, tracked.synced_since)))
                source.on_read(tracked, self.since)
            name = tracked.repository.full_name
            count = f"1 {source.one}" if tracked.done == 1 else f"{tracked.done} {source.one}s"
            self.save(tracked, unit, f"{name}: {count}")
            status = tracked.get_sync_status_display().lower()
            self.ctx.log(f"{name}: {status}, {count}. {why}".strip())
            self.ctx.send(
                repository_sync_completed,
                sender=TrackedRepository,
                team_id=self.team_id,
                repo_id=tracked.pk,
                prs_synced=tracked.done,
            )

    def _incomplete(self, tracked: TrackedRepository) -> str:
        noted = tracked.cursor.get("problems", {"count": 0, "named": []})
        rest = (
            window_of(tracked)
            .exclude(detail_state=DetailState.COMPLETE)
            .order_by("-created_at")
        )
        if attempts.was_announced_since(tracked):
            # Webhooks have marked some as changed since they were read. The next read
            # takes them within minutes.
            rest = rest.exclude(detail_state=DetailState.PENDING, detail_error="")
        named: list[Problem] = list(noted["named"])
        for number, error, url in rest.values_list("number", "detail_error", "url")[:NAMED]:
            why = error or "its commits and reviews are not read yet"
            named.append(Problem(what=f"#{number}", why=why, url=url))
        count = noted["count"] + rest.count()
        if not count:
            return ""
        more = f"; and {count - NAMED} more" if count > NAMED else ""
        return f"Not everything could be read, {count} missing or incomplete: {_by_reason(named[:NAMED])}{more}."

    def fail(self, tracked: TrackedRepository, error: Exception) -> None:
        """Record that the repository can't be read; the others go on."""
        with self.ctx.unit(last=True) as unit:
            error = self._mark_failed(tracked, error, unit)
            self.ctx.log(f"{tracked.repository.full_name}: {error}", level="error")

    def fail_all(self, error: Exception) -> None:
        """Record that none of the open repositories can be read.

        The step's own error logs the reason, once.
        """
        with self.ctx.unit() as unit:
            for tracked in self.unfinished():
                self._mark_failed(tracked, error, unit)

    def _mark_failed(
        self, tracked: TrackedRepository, error: Exception, unit: Unit
    ) -> Exception:
        """Record the error, and return it.

        If the row was deleted, that is returned as Removed, whatever the error was.
        """
        if not is_tracked(tracked, lock=True):
            error = Removed()
        source = self.sources.get(tracked.repository.source)
        if source is not None:
            error = source.explain(tracked, error)
        tracked.sync_status = SyncStatus.ERROR
        attempts.fail(tracked, error)
        self.save(tracked, unit)
        return error

    def close(self) -> None:
        """End the sync, once in a generation: delete people who appear in none of the
        rows, and send the signal of the end.
        """
        good = [row for row in self.rows if row.sync_status != SyncStatus.ERROR]
        with self.ctx.unit() as unit:
            if unit.cursor.get("finished") == self.ctx.generation:
                return
            unit.cursor["finished"] = self.ctx.generation
            remove_unseen(self.team_id)
            self.ctx.send(
                onboarding_sync_completed,
                sender=TrackedRepository,
                team_id=self.team_id,
                repos_synced=len(good),
                total_prs=sum(row.done for row in good),
                failed_repos=len(self.rows) - len(good),
            )


def _by_reason(problems: Sequence[Problem]) -> str:
    """Return the missing items with their addresses, each reason once.

    For example: `#1, #2 (too large); #3 (deleted)`.
    """
    grouped: dict[str, list[str]] = {}
    for problem in problems:
        url = problem.get("url", "")
        what = f"{problem['what']} {url}" if url else problem["what"]
        grouped.setdefault(problem["why"], []).append(what)
    return "; ".join(f"{', '.join(whats)} ({why})" for why, whats in grouped.items())


def _records_name(repository: str, records: Sequence[PullRequestData]) -> str:
    first = f"#{records[0].number} of {repository}"
    return (
        first
        if len(records) == 1
        else f"{len(records)} pull requests from {first} to #{records[-1].number}"
    )


def try_degraded_again(rows: Sequence[TrackedRepository]) -> None:
    """Mark pull requests whose details could not be read, so that they are tried once
    more.
    """
    for row in rows:
        pulls = PullRequest.objects.for_team(row.team_id).filter(
            repository_id=row.repository_id
        )
        if pulls.filter(detail_state=DetailState.DEGRADED).update(
            detail_state=DetailState.PENDING, detail_error=""
        ):
            touch(row.team_id)
