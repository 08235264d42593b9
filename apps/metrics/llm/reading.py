"""The step's work with the model: which pull requests, in which requests, and what becomes of each answer.

Only HTTP happens in threads; rows are written by the step's own thread as answers come, each answer with its cost in one
transaction. So a crash loses no answer that was written, and repeats none: what is written is not asked again.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.metrics.llm import pace, prompt
from apps.metrics.llm.answers import Item, check
from apps.metrics.llm.client import Limited, LlmClient, Refused, Reply, Unusable
from apps.metrics.llm.models import Analysis, AnalysisState
from apps.metrics.llm.prompt import Document
from apps.metrics.models import Commit, PRReview, PullRequest
from apps.metrics.records import ChangeKind
from apps.metrics.remembered import touch
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import Park, Released

# Pull requests in one request, and tokens of them: longer answers come later, and lose more when one is broken.
MOST_PULLS, MOST_TOKENS = 8, 12_000
AT_ONCE = 8
# How often one is asked about, and how many requests in a row may come to nothing.
ATTEMPTS, IN_VAIN = 3, 6
LOOK_UP = 0.25
# Tokens of an answer about one pull request, as a rule.
ANSWER_TOKENS = 60
# After these waits the model is given up for this run.
PATIENCE = (20, 120)
SHOWN = 3


@dataclass(slots=True)
class Tally:
    """How the reading stands."""

    read: int = 0
    failed: int = 0
    why: str = ""
    in_vain: int = 0
    spent: bool = False


@dataclass(slots=True)
class Flights:
    """What is under way, and why nothing more is sent."""

    flying: dict[Future[Reply], tuple[list[Document], dict[str, Document]]] = field(default_factory=dict)
    stopped: Exception | None = None


def wanted(team_id: int, limit: int) -> list[int]:
    """The newest pull requests that have not been read as they are now."""
    stale = (
        Q(analysis__isnull=True) | Q(analysis__state=AnalysisState.PENDING) | Q(analysis__read_of__lt=F("updated_at"))
    )
    pulls = PullRequest.objects.for_team(team_id).filter(stale, kind=ChangeKind.PULL_REQUEST)
    return list(pulls.order_by("-created_at", "-pk").values_list("pk", flat=True)[:limit])


def open_ones(team_id: int, chosen: Sequence[int]) -> QuerySet[PullRequest]:
    """Those of the chosen that are not answered or given up yet."""
    done = Analysis.objects.for_team(team_id).filter(pull_request=OuterRef("pk")).exclude(state=AnalysisState.PENDING)
    pulls = PullRequest.objects.for_team(team_id).filter(pk__in=chosen)
    return pulls.exclude(Exists(done.filter(read_of__gte=OuterRef("updated_at")))).order_by("-created_at", "-pk")


def documents(pulls: Sequence[PullRequest]) -> list[Document]:
    """What is asked about these; two statements."""
    keys = [pull.pk for pull in pulls]
    messages: dict[int, list[str]] = defaultdict(list)
    reviews: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    commits = Commit.objects.across_teams().filter(pull_request_id__in=keys).order_by("authored_at", "pk")
    for pk, message in commits.values_list("pull_request_id", "message"):
        messages[pk].append(message)
    for pk, state in (
        PRReview.objects.across_teams().filter(pull_request_id__in=keys).values_list("pull_request_id", "state")
    ):
        reviews[pk][state] += 1
    return [
        prompt.document(
            pull.pk, title=pull.title, body=pull.body, branch=pull.head_ref, labels=pull.labels,
            size=(pull.additions, pull.deletions, pull.changed_files), messages=messages[pull.pk],
            reviews=dict(reviews[pull.pk]),
        )
        for pull in pulls
    ]  # fmt: skip


def packed(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """The documents in as few requests as their tokens allow, in their order."""
    batch: list[Document] = []
    tokens = 0
    for each in documents:
        size = prompt.tokens_of(str(each.data))
        if batch and (len(batch) == MOST_PULLS or tokens + size > MOST_TOKENS):
            yield batch
            batch, tokens = [], 0
        batch.append(each)
        tokens += size
    if batch:
        yield batch


class Reading:
    """One attempt at reading the chosen pull requests."""

    def __init__(self, ctx: StepContext, team_id: int, chosen: Sequence[int]) -> None:
        self._ctx, self._team_id, self._chosen = ctx, team_id, chosen
        self._client = LlmClient()
        self._instructions = prompt.tokens_of(prompt.INSTRUCTIONS)
        self._left = pace.settings_of(team_id).monthly_tokens - pace.used(team_id)
        self._pulls: dict[int, PullRequest] = {}
        self._attempts: dict[int, int] = {}
        self.tally = Tally()

    def run(self) -> Tally:
        """Read until nothing is left, the budget is spent or the model is given up. Raises Park and Released."""
        todo = deque(packed(self._prepare()))
        self._tell()
        flights = Flights()
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="llm")
        try:
            while True:
                pause = self._send(flights, pool, todo)
                if not flights.flying:
                    if isinstance(flights.stopped, Limited):
                        raise Park(flights.stopped.until, str(flights.stopped))
                    if flights.stopped is not None:
                        raise flights.stopped
                    if not todo or self.tally.why or self.tally.spent:
                        return self.tally
                    time.sleep(pause)
                    continue
                for future in wait(flights.flying, pause, FIRST_COMPLETED).done:
                    batch, refs = flights.flying.pop(future)
                    self._take_in(flights, todo, batch, refs, future)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._client.close()

    def _prepare(self) -> list[Document]:
        """What has to be asked. What was answered to the same question before is taken from there."""
        pulls = list(open_ones(self._team_id, self._chosen).select_related("repository"))
        self._pulls = {pull.pk: pull for pull in pulls}
        asked = documents(pulls)
        hashes = {each.input_hash(self._client.model) for each in asked}
        known = Analysis.objects.for_team(self._team_id).filter(input_hash__in=hashes, state=AnalysisState.DONE)
        stored = {row.input_hash: row for row in known}
        rows = Analysis.objects.for_team(self._team_id).filter(pull_request_id__in=self._pulls)
        self._attempts = {
            row.pull_request_id: row.attempts for row in rows if row.input_hash in hashes and row.state == "pending"
        }
        again = [(each, stored[name]) for each in asked if (name := each.input_hash(self._client.model)) in stored]
        if again:
            with self._ctx.unit():
                self._write([self._copied(each, row) for each, row in again])
        return [each for each in asked if each.input_hash(self._client.model) not in stored]

    def _send(self, flights: Flights, pool: ThreadPoolExecutor, todo: deque[list[Document]]) -> float:
        """Send what may be sent now; how long to wait then, in seconds."""
        try:
            while todo and flights.stopped is None and len(flights.flying) < AT_ONCE:
                if self.tally.why or self.tally.spent:
                    break
                self._ctx.check()
                batch = todo[0]
                tokens = self._instructions + sum(prompt.tokens_of(str(each.data)) + ANSWER_TOKENS for each in batch)
                if tokens > self._left:
                    self.tally.spent = True
                    break
                if pause := pace.take(tokens):
                    return min(pause, LOOK_UP)
                todo.popleft()
                self._left -= tokens
                messages, refs = prompt.messages(batch)
                flights.flying[pool.submit(self._client.ask, messages, len(batch))] = (batch, refs)
        except (Limited, Park, Released) as reason:
            flights.stopped = reason
        return LOOK_UP

    def _take_in(
        self, flights: Flights, todo: deque[list[Document]], batch: list[Document], refs: dict[str, Document],
        future: Future[Reply],
    ) -> None:  # fmt: skip
        tally = self.tally
        try:
            reply = future.result()
        except Limited as limit:
            pace.block(limit.until)
            flights.stopped = flights.stopped or limit
            return
        except Refused as refused:
            tally.why = str(refused)
            return
        except Unusable as unusable:
            tally.in_vain += 1
            if tally.in_vain >= IN_VAIN:
                flights.stopped = flights.stopped or self._lose_patience(str(unusable))
            self._again(todo, batch, str(unusable), None)
            return
        good, bad = check(reply.text, refs)
        tally.in_vain = 0 if good else tally.in_vain + 1
        items = [(refs[ref], item) for ref, item in good.items()]
        with self._ctx.unit(last=True) as work:
            pace.count(self._team_id, reply.tokens_in, reply.tokens_out)
            pace.told(reply.tokens_a_minute)
            self._write([self._row(each, item) for each, item in items])
            tally.read += len(items)
            work.done, work.message = self._done(), self._message()
            self._show(items)
        self._again(todo, [refs[ref] for ref in bad], "", {refs[ref].pk: why for ref, why in bad.items()})

    def _again(
        self, todo: deque[list[Document]], batch: list[Document], why: str, reasons: dict[int, str] | None
    ) -> None:
        """Ask again about these, smaller; those that were asked about often enough are given up with the reason."""
        lost: list[Document] = []
        rest: list[Document] = []
        for each in batch:
            self._attempts[each.pk] = self._attempts.get(each.pk, 0) + 1
            (lost if self._attempts[each.pk] >= ATTEMPTS else rest).append(each)
        if lost or rest:
            with self._ctx.unit(last=True) as work:
                self._write([self._given_up(each, (reasons or {}).get(each.pk, why)) for each in lost])
                self._write([self._pending(each) for each in rest])
                self.tally.failed += len(lost)
                work.done, work.message = self._done(), self._message()
        # The last time each goes alone, so that none is given up for its neighbour's sake.
        last = any(self._attempts[each.pk] == ATTEMPTS - 1 for each in rest)
        size = 1 if last else max(1, (len(rest) + 1) // 2)
        todo.extend(rest[start : start + size] for start in range(0, len(rest), size))

    def _lose_patience(self, why: str) -> Exception | None:
        """Wait for a server that answers nothing; after a while the run goes on without it."""
        waits = self._ctx.cursor.get("waits", 0)
        if waits >= len(PATIENCE):
            self.tally.why = f"The language model could not be used: {why}."
            return None
        with self._ctx.unit(last=True) as work:
            work.cursor["waits"] = waits + 1
        until = timezone.now() + timedelta(seconds=PATIENCE[waits])
        return Park(until, f"The language model does not answer ({why}).")

    # Rows and words

    def _row(self, each: Document, item: Item) -> Analysis:
        return self._new(
            each, AnalysisState.DONE, summary=item.summary, kind=item.kind, area=item.area, risk=item.risk,
            friction=item.friction, ai_disclosed=item.ai_disclosed, ai_words=item.ai_words, answered_at=timezone.now(),
        )  # fmt: skip

    def _copied(self, each: Document, row: Analysis) -> Analysis:
        kept = ("summary", "kind", "area", "risk", "friction", "ai_disclosed", "ai_words", "answered_at")
        return self._new(each, AnalysisState.DONE, **{name: getattr(row, name) for name in kept})

    def _given_up(self, each: Document, why: str) -> Analysis:
        return self._new(each, AnalysisState.FAILED, error=f"Asked {ATTEMPTS} times in vain: {why}.")

    def _pending(self, each: Document) -> Analysis:
        return self._new(each, AnalysisState.PENDING)

    def _new(self, each: Document, state: AnalysisState, **values: object) -> Analysis:
        return Analysis(
            team_id=self._team_id, pull_request_id=each.pk, state=state, attempts=self._attempts.get(each.pk, 0),
            input_hash=each.input_hash(self._client.model), model=self._client.model[:100],
            read_of=self._pulls[each.pk].updated_at, **values,
        )  # fmt: skip

    @staticmethod
    def _write(rows: Sequence[Analysis]) -> None:
        if rows:
            columns = [
                each.name for each in Analysis._meta.concrete_fields if each.name not in ("id", "team", "pull_request")
            ]
            Analysis.objects.bulk_create(
                sorted(rows, key=lambda row: row.pull_request_id),
                update_conflicts=True, unique_fields=["pull_request"], update_fields=columns,
            )  # fmt: skip
            touch(rows[0].team_id)

    def _done(self) -> int:
        return len(self._chosen) - open_ones(self._team_id, self._chosen).count()

    def _message(self) -> str:
        return f"Read by {self._client.model}: {self.tally.read:,} pull requests"

    def _tell(self) -> None:
        with self._ctx.unit(total=len(self._chosen), unit="pull requests") as work:
            work.done, work.message = self._done(), self._message()

    def _show(self, items: Sequence[tuple[Document, Item]]) -> None:
        """The last few summaries, for the live page."""
        rows = [
            {
                "number": pull.number,
                "title": pull.title,
                "repository": pull.repository.full_name,
                "summary": item.summary,
            }
            for each, item in items[-SHOWN:]
            if (pull := self._pulls[each.pk])
        ]
        if rows:
            self._ctx.emit(kind="summaries", key="last", data={"rows": rows})


def limit_of(limit: int | None) -> int:
    return int(settings.HISTORICAL_SYNC_CONFIG["LLM_BATCH_SIZE"]) if limit is None else limit
