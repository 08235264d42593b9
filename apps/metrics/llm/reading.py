"""Run a step's work with the model: decide when to send what, and handle each outcome.

Only HTTP happens in threads. The step's own thread writes rows as answers come, each
answer with its cost in one transaction. So a crash loses no answer that was written,
and none of these is requested again.

    tally = Reading(ctx, team_id, chosen).run(seconds=105)
    tally.read       # 40
    tally.cause      # Cause.RATE_LIMIT: why it ended before all was read; empty if all was
    tally.until      # when it may go on; None if a person has to do something first
"""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from apps.metrics import run_events
from apps.metrics.llm import budget, client, pace, prompt, rows
from apps.metrics.llm.answers import Item, check
from apps.metrics.llm.batches import documents, halves, open_ones, packed, read_count
from apps.metrics.llm.client import ANSWER_SECONDS, LEAST_SECONDS, LlmClient
from apps.metrics.llm.outcomes import Answer, Broken, Cause, Outcome, Refused, WaitUntil
from apps.metrics.llm.prompt import Document
from apps.metrics.llm_models import Analysis, AnalysisState
from apps.metrics.models import PullRequest
from apps.metrics.run_events import SummariesEvent
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import Park, Released
from apps.pipelines.remedy import Remedy
from apps.pipelines.worker import marks

AT_ONCE = 8
# The most requests about one pull request, and the most in a row without a usable
# answer.
ATTEMPTS, IN_VAIN = 3, 6
LOOK_UP = 0.25
# Seconds that a step which has to make room waits for the answers that are under way.
GRACE = 5.0
# Usual number of tokens of an answer about one pull request.
ANSWER_TOKENS = 60
SHOWN = 3
# A model that answered usably since then is a sound one: what it can't read now lies in
# the pull request.
SOUND_FOR = timedelta(days=1)
TEAM_BUDGET = "This month's budget for the language model is used up. Raise it, or wait for the next month."


@dataclass(slots=True)
class Tally:
    """How a reading ended; see the module."""

    read: int = 0
    cause: str = ""
    why: str = ""
    remedy: Remedy = Remedy.RETRY
    until: datetime | None = None

    def end(
        self,
        cause: Cause,
        why: str,
        remedy: Remedy = Remedy.RETRY,
        until: datetime | None = None,
    ) -> None:
        """Note why nothing more is sent; the first cause counts."""
        if not self.cause:
            self.cause, self.why, self.remedy, self.until = cause, why, remedy, until


@dataclass(frozen=True, slots=True)
class Flight:
    """A request that is under way."""

    batch: list[Document]
    refs: dict[str, Document]
    ticket: UUID


@dataclass(frozen=True, slots=True)
class Lost:
    """Hold a pull request that is not sent again in this reading.

    Attributes:
        is_certain: whether the failure is surely due to this pull request.
        is_cut: whether the model's last answer about it ended too early, which does not
            make this pull request the cause.
    """

    document: Document
    why: str
    cause: str
    is_certain: bool = False
    is_cut: bool = False


@dataclass(slots=True)
class Work:
    """What is left to send, what is under way, and what was lost."""

    todo: deque[list[Document]] = field(default_factory=deque)
    flying: dict[Future[Outcome], Flight] = field(default_factory=dict)
    lost: dict[int, Lost] = field(default_factory=dict)
    stopped: Exception | None = None
    stopped_at: float = 0.0
    in_vain: int = 0


class Reading:
    """One attempt at reading the chosen pull requests."""

    def __init__(self, ctx: StepContext, team_id: int, chosen: Sequence[int]) -> None:
        self._ctx, self._team_id, self._chosen = ctx, team_id, chosen
        self._client = LlmClient()
        self._instructions = prompt.tokens_of(prompt.INSTRUCTIONS)
        self._left = pace.settings_of(team_id).monthly_tokens - pace.used(team_id)
        self._pulls: dict[int, PullRequest] = {}
        self._rows = rows.Rows(team_id, self._client.model, self._pulls)
        self._attempts: dict[int, int] = {}
        self._breaks: dict[int, int] = {}
        self._work = Work()
        self._end: float | None = None
        self.tally = Tally()

    def run(self, seconds: float | None = None) -> Tally:
        """Read until nothing is left, `seconds` are over, or the model can't go on.

        Raises Park and Released.
        """
        self._end = None if seconds is None else time.monotonic() + seconds
        work = self._work
        for batch in packed(self._prepare()):
            self._queue(batch)
        self._show_progress()
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="llm")
        try:
            while work.todo or work.flying:
                marks.alive()
                pause = self._send(pool)
                if work.stopped is not None and time.monotonic() > work.stopped_at + GRACE:
                    break
                if not work.flying:
                    if work.stopped is not None or self.tally.cause:
                        break
                    time.sleep(pause)
                    continue
                for future in wait(work.flying, pause, FIRST_COMPLETED).done:
                    self._land(future)
        finally:
            self._client.close()
            # Not waiting for the threads keeps a hung request from holding up the step.
            pool.shutdown(wait=False, cancel_futures=True)
            for flight in work.flying.values():
                budget.release(flight.ticket)
        self._settle()
        if work.stopped is not None:
            raise work.stopped
        return self.tally

    def _prepare(self) -> list[Document]:
        """Return what has to be asked.

        What was answered to the same question before is copied.
        """
        pulls = list(open_ones(self._team_id, self._chosen).select_related("repository"))
        self._pulls.update({pull.pk: pull for pull in pulls})
        asked = documents(pulls)
        hashes = {each.pk: each.input_hash(self._client.model) for each in asked}
        of_team = Analysis.objects.for_team(self._team_id)
        known = of_team.filter(input_hash__in=set(hashes.values()), state=AnalysisState.DONE)
        stored = {row.input_hash: row for row in known}
        for row in of_team.filter(pull_request_id__in=self._pulls, state=AnalysisState.PENDING):
            # Earlier attempts count only if they were about the same text.
            if row.input_hash == hashes[row.pull_request_id]:
                self._attempts[row.pull_request_id] = row.attempts
        again = [(each, stored[hashes[each.pk]]) for each in asked if hashes[each.pk] in stored]
        if again:
            with self._ctx.unit():
                rows.write([self._rows.copied(each, row) for each, row in again])
        return [each for each in asked if hashes[each.pk] not in stored]

    def _send(self, pool: ThreadPoolExecutor) -> float:
        """Send what may be sent now. Returns how long to wait then, in seconds."""
        work = self._work
        # Until it is known how the server wants to be asked, one request finds that out
        # for all.
        at_once = AT_ONCE if self._client.learned.is_known else 1
        try:
            if work.stopped is None:
                self._ctx.check()
            while (
                work.todo
                and work.stopped is None
                and not self.tally.cause
                and len(work.flying) < at_once
            ):
                seconds = self._seconds()
                if seconds < LEAST_SECONDS:
                    self.tally.end(
                        Cause.CONTINUES,
                        "It took too long.",
                        Remedy.WAIT,
                        timezone.now(),
                    )
                    break
                batch = work.todo[0]
                tokens = self._instructions + sum(
                    prompt.tokens_of(str(each.data)) + ANSWER_TOKENS for each in batch
                )
                # The tokens of requests under way count as spent already, so that
                # several requests together stay within the budget.
                if tokens > self._left:
                    self.tally.end(Cause.BUDGET, TEAM_BUDGET)
                    break
                ticket = uuid4()
                if pause := pace.take(tokens, ticket):
                    return min(pause, LOOK_UP)
                # Only now is the request certain to be sent; until here it keeps its
                # turn.
                work.todo.popleft()
                self._left -= tokens
                messages, refs = prompt.messages(batch)
                future = pool.submit(self._client.ask, messages, len(batch), seconds)
                work.flying[future] = Flight(batch, refs, ticket)
        except budget.InstallationSpent as spent:
            self.tally.end(Cause.BUDGET, str(spent), Remedy.OPERATOR)
        except pace.Limited as limit:
            self.tally.end(
                limit.cause, WHY.get(limit.cause, str(limit)), Remedy.WAIT, limit.until
            )
        except (Park, Released) as reason:
            work.stopped, work.stopped_at = reason, time.monotonic()
        return LOOK_UP

    def _seconds(self) -> float:
        """Return the time for one request."""
        if self._end is None:
            return ANSWER_SECONDS
        return min(ANSWER_SECONDS, self._end - time.monotonic())

    def _land(self, future: "Future[Outcome]") -> None:
        """Handle the outcome of a request."""
        flight = self._work.flying.pop(future)
        try:
            outcome = future.result()
            if isinstance(outcome, Answer):
                self._take_in(flight, outcome)
            elif isinstance(outcome, WaitUntil):
                until = pace.block(outcome.cause, outcome.pause)
                self.tally.end(outcome.cause, outcome.reason, Remedy.WAIT, until)
            elif isinstance(outcome, Refused):
                self._refused(flight, outcome)
            else:
                self._broken(flight, outcome)
        finally:
            budget.release(flight.ticket)

    def _take_in(self, flight: Flight, answer: Answer) -> None:
        batch, refs = flight.batch, flight.refs
        name = f"the model's answer about {len(batch)} pull requests from {batch[0].pk}"
        # An answer that made a worker hang before is not parsed again.
        if self._ctx.hung_count(name):
            self._again(
                batch,
                dict.fromkeys([each.pk for each in batch], "its answer took too long to read"),
            )
            return
        # The parser meets text of any form. If it hangs, the name is noted for the next
        # attempt.
        with marks.watching(name):
            good, bad = check(answer.texts, refs)
        items = [(refs[ref], item) for ref, item in good.items()]
        with self._ctx.unit(last=True) as unit:
            pace.count(self._team_id, answer.tokens_in, answer.tokens_out, flight.ticket)
            pace.keep_limit(answer.tokens_a_minute)
            pace.answered()
            self._client.remember()
            rows.write(
                [
                    self._rows.read(each, item, self._attempts.get(each.pk, 0))
                    for each, item in items
                ]
            )
            self.tally.read += len(items)
            unit.done, unit.message = self._done(), self._message()
            self._show(items)
        reasons = {refs[ref].pk: why for ref, why in bad.items()}
        if not good:
            self._in_vain(Cause.UNUSABLE, next(iter(bad.values()), "its answer was empty"))
        else:
            # One usable answer shows that the server works.
            self._work.in_vain = 0
        self._again(
            [each for each in batch if each.pk in reasons], reasons, is_cut=answer.is_cut
        )

    def _refused(self, flight: Flight, refused: Refused) -> None:
        """Go on with halves of a request that can't be answered, or stop if none
        can.
        """
        if not refused.is_of_one_request:
            client.log_refusal(refused)
            self.tally.end(refused.cause, refused.reason, refused.remedy)
            return
        if refused.cause in (Cause.REQUEST, Cause.UNUSABLE):
            self._in_vain(refused.cause, refused.reason, refused)
        if len(flight.batch) > 1:
            # Halving finds the one pull request that the server refuses, in a few
            # requests.
            self._work.todo.extend(halves(flight.batch))
        elif refused.cause == Cause.UNUSABLE:
            self._again(flight.batch, {flight.batch[0].pk: refused.reason})
        else:
            is_certain = refused.cause in (Cause.CONTENT, Cause.TOO_LONG)
            self._lose(Lost(flight.batch[0], refused.reason, refused.cause, is_certain))

    def _broken(self, flight: Flight, broken: Broken) -> None:
        """Ask again, in halves: a gateway may have no time for a long answer."""
        self._in_vain(broken.cause, broken.reason)
        rest = []
        for each in flight.batch:
            self._breaks[each.pk] = self._breaks.get(each.pk, 0) + 1
            if self._breaks[each.pk] < ATTEMPTS:
                rest.append(each)
            else:
                self._lose(
                    Lost(
                        each,
                        f"The language model did not answer: {broken.reason}.",
                        broken.cause,
                    )
                )
        self._work.todo.extend(halves(rest))

    def _in_vain(self, cause: Cause, why: str, refused: Refused | None = None) -> None:
        """Count a request that came to nothing; after some in a row the server is left
        alone.
        """
        self._work.in_vain += 1
        if self._work.in_vain < IN_VAIN:
            return
        if refused is not None and cause == Cause.REQUEST:
            client.log_refusal(refused)
            self.tally.end(cause, refused.reason, Remedy.OPERATOR)
        elif cause == Cause.UNREACHABLE:
            self.tally.end(
                cause,
                f"The language model does not answer ({why}).",
                Remedy.WAIT,
                pace.block(cause),
            )
        else:
            until = timezone.now() + pace.PAUSES[Cause.UNUSABLE][0]
            self.tally.end(
                Cause.UNUSABLE,
                f"The language model gives no usable answers ({why}).",
                Remedy.WAIT,
                until,
            )

    def _again(
        self, batch: Sequence[Document], reasons: dict[int, str], *, is_cut: bool = False
    ) -> None:
        """Ask again about these, smaller; those that were asked about often enough are
        lost.
        """
        rest = []
        for each in batch:
            self._attempts[each.pk] = self._attempts.get(each.pk, 0) + 1
            if self._attempts[each.pk] < ATTEMPTS:
                rest.append(each)
            else:
                why = f"Failed {ATTEMPTS} times: {reasons[each.pk]}."
                self._lose(Lost(each, why, Cause.UNUSABLE, is_cut=is_cut))
        if rest:
            with self._ctx.unit(last=True) as unit:
                rows.write([self._rows.pending(each, self._attempts[each.pk]) for each in rest])
                unit.done, unit.message = self._done(), self._message()
        for part in halves(rest):
            self._queue(part)

    def _queue(self, batch: Sequence[Document]) -> None:
        """Ask about these next.

        The last time each goes alone, so that none is given up because of its neighbor.
        """
        is_last = any(self._attempts.get(each.pk) == ATTEMPTS - 1 for each in batch)
        self._work.todo.extend([[each] for each in batch] if is_last else [list(batch)])

    def _lose(self, lost: Lost) -> None:
        self._work.lost[lost.document.pk] = lost

    def _settle(self) -> None:
        """Write what was lost: given up if the pull request is to blame, else kept for
        a later reading.
        """
        lost = self._work.lost.values()
        if not lost:
            return
        # A model that has just answered nothing usable several times is not to be
        # trusted with a verdict.
        is_silent = self._work.in_vain > ATTEMPTS or self.tally.cause == Cause.UNUSABLE
        is_sound = not is_silent and (self.tally.read > 0 or self._was_sound())
        written = []
        for one in lost:
            is_own = one.is_certain or (
                is_sound and one.cause != Cause.UNREACHABLE and not one.is_cut
            )
            if is_own:
                attempts = self._attempts.get(one.document.pk, 1)
                written.append(self._rows.given_up(one.document, attempts, one.why, one.cause))
            else:
                written.append(self._rows.pending(one.document, 0, one.why, one.cause))
                self.tally.end(
                    Cause(one.cause),
                    one.why,
                    Remedy.WAIT,
                    timezone.now() + pace.PAUSES[Cause.UNUSABLE][0],
                )
        with self._ctx.unit(last=True) as unit:
            rows.write(written)
            unit.done, unit.message = self._done(), self._message()

    def _was_sound(self) -> bool:
        recent = Analysis.objects.for_team(self._team_id).filter(
            answered_at__gt=timezone.now() - SOUND_FOR
        )
        return recent.filter(state=AnalysisState.DONE, model=self._client.model[:100]).exists()

    def _done(self) -> int:
        return read_count(self._team_id, self._chosen)

    def _message(self) -> str:
        return f"Read by {self._client.model}: {self.tally.read:,} pull requests"

    def _show_progress(self) -> None:
        with self._ctx.unit(total=len(self._chosen), unit="pull requests") as unit:
            unit.done, unit.message = self._done(), self._message()

    def _show(self, items: Sequence[tuple[Document, Item]]) -> None:
        """Emit the last few summaries, for the live page."""
        shown = []
        for each, item in items[-SHOWN:]:
            pull = self._pulls[each.pk]
            repository = pull.repository.full_name
            shown.append(
                {
                    "number": pull.number,
                    "title": pull.title,
                    "repository": repository,
                    "summary": item.summary,
                }
            )
        if shown:
            run_events.emit(self._ctx, "last", SummariesEvent(rows=shown))


WHY = {
    Cause.RATE_LIMIT: "The language model's limit is reached.",
    Cause.QUOTA: "The account at the language model's provider has no quota left.",
    Cause.UNREACHABLE: "The language model does not answer.",
    Cause.UNUSABLE: "The language model gives no usable answers.",
}
