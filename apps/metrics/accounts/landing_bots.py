"""Find closed pull requests that a bot or a script landed: GitHub shows them as closed,
not as merged.

Some teams land by a program that pushes the commits and then closes the pull request:
ghstack (branches `gh/ann/12/head`), bors (`[Merged by Bors] - Title`), and bots that
set a label such as "Merged". Such pull requests count as closed; the pages name the
repositories.
"""

from dataclasses import dataclass

from django.db.models import Count, F, Q, TextField
from django.db.models.functions import Cast

from apps.metrics.models import PullRequest
from apps.metrics.records import PullRequestState

# The last word of a label, as it ends in the column's JSON.
_LABEL_ENDS = tuple(
    f'{before}{word}"' for word in ("merged", "landed") for before in ('"', ": ", ":", "/")
)
# If a repository has none that was merged, this many closed ones are no accident.
FEWEST_CLOSED = 5


@dataclass(frozen=True, slots=True)
class LandedElsewhere:
    """A repository with closed pull requests that look landed.

    `has_signs` is False if the only sign is that none was ever merged.
    """

    repository: int
    full_name: str
    count: int
    has_signs: bool


def landed_elsewhere(team_id: int) -> list[LandedElsewhere]:
    """Return the repositories with closed pull requests that look landed, by name.

    One statement.
    """
    is_closed = Q(state=PullRequestState.CLOSED, merged_at=None)
    # Clones need no condition: what was not merged is not in them.
    pulls = PullRequest.objects.for_team(team_id).order_by()
    rows = (
        pulls.annotate(labels_text=Cast("labels", TextField()))
        .values("repository_id", name=F("repository__full_name"))
        .annotate(
            merged=Count("pk", filter=Q(state=PullRequestState.MERGED)),
            closed=Count("pk", filter=is_closed),
            signed=Count("pk", filter=is_closed & _signs()),
        )
    )
    found = []
    for row in rows:
        repository, name = row["repository_id"], row["name"]
        if row["signed"]:
            found.append(LandedElsewhere(repository, name, row["signed"], has_signs=True))
        elif not row["merged"] and row["closed"] >= FEWEST_CLOSED:
            found.append(LandedElsewhere(repository, name, row["closed"], has_signs=False))
    return sorted(found, key=lambda one: one.full_name.casefold())


def _signs() -> Q:
    """Return the condition of what a landing program leaves on a pull request."""
    signs = Q(title__istartswith="[merged by ") | Q(
        head_ref__startswith="gh/", head_ref__endswith="/head"
    )
    for end in _LABEL_ENDS:
        signs |= Q(labels_text__icontains=end)
    return signs
