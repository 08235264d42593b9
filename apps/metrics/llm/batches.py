"""Choose which pull requests the model reads, and in which requests."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from apps.metrics.llm import prompt
from apps.metrics.llm.prompt import Document
from apps.metrics.llm_models import Analysis, AnalysisState
from apps.metrics.models import Commit, PRReview, PullRequest
from apps.metrics.records import ChangeKind

# Pull requests in one request, and tokens of them: longer answers come later, and lose
# more when one is broken.
MOST_PULLS, MOST_TOKENS = 8, 12_000


def limit_of(limit: int | None) -> int:
    """Return how many pull requests a run reads at most, if it was not given a
    number.
    """
    return int(settings.HISTORICAL_SYNC_CONFIG["LLM_BATCH_SIZE"]) if limit is None else limit


def wanted(team_id: int, limit: int) -> list[int]:
    """Return the newest pull requests that have not been read as they are now.

    One that could not be read for a reason of its own is read again if it has changed,
    or if the model has.
    """
    unread = Q(analysis__isnull=True) | Q(analysis__state=AnalysisState.PENDING)
    changed = Q(analysis__read_of__lt=F("updated_at"))
    other_model = Q(analysis__state=AnalysisState.FAILED) & ~Q(
        analysis__model=settings.LLM_MODEL[:100]
    )
    pulls = PullRequest.objects.for_team(team_id).filter(
        unread | changed | other_model, kind=ChangeKind.PULL_REQUEST
    )
    return list(pulls.order_by("-created_at", "-pk").values_list("pk", flat=True)[:limit])


def open_ones(team_id: int, chosen: Sequence[int]) -> QuerySet[PullRequest]:
    """Return those of the chosen that are to be read: neither read nor given up for a
    reason of their own.
    """
    closed = Q(state=AnalysisState.DONE) | Q(
        state=AnalysisState.FAILED, model=settings.LLM_MODEL[:100]
    )
    done = Analysis.objects.for_team(team_id).filter(closed, pull_request=OuterRef("pk"))
    pulls = PullRequest.objects.for_team(team_id).filter(pk__in=chosen)
    return pulls.exclude(Exists(done.filter(read_of__gte=OuterRef("updated_at")))).order_by(
        "-created_at", "-pk"
    )


def read_count(team_id: int, chosen: Sequence[int]) -> int:
    """Return how many of the chosen have been read; one that was given up does not
    count.
    """
    rows = Analysis.objects.for_team(team_id).filter(
        pull_request_id__in=chosen, state=AnalysisState.DONE
    )
    return rows.filter(read_of__gte=F("pull_request__updated_at")).count()


def documents(pulls: Sequence[PullRequest]) -> list[Document]:
    """Return the documents of these pull requests, in two statements."""
    keys = [pull.pk for pull in pulls]
    messages: dict[int, list[str]] = defaultdict(list)
    reviews: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    commits = (
        Commit.objects.across_teams()
        .filter(pull_request_id__in=keys)
        .order_by("authored_at", "oid")
    )
    for pk, message in commits.values_list("pull_request_id", "message"):
        messages[pk].append(message)
    given = PRReview.objects.across_teams().filter(pull_request_id__in=keys)
    for pk, state in given.values_list("pull_request_id", "state"):
        reviews[pk][state] += 1
    return [
        prompt.document(
            pull.pk,
            title=pull.title,
            body=pull.body,
            branch=pull.head_ref,
            labels=pull.labels,
            size=(pull.additions, pull.deletions, pull.changed_files),
            messages=messages[pull.pk],
            reviews=dict(reviews[pull.pk]),
        )
        for pull in pulls
    ]


def packed(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Yield the documents in as few requests as their tokens allow, in their order."""
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


def halves(batch: Sequence[Document]) -> list[list[Document]]:
    """Return a batch in two parts."""
    size = max(1, (len(batch) + 1) // 2)
    return [list(batch[start : start + size]) for start in range(0, len(batch), size)]
