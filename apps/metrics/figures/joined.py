"""Moves the work of a joined account to the member that it counts as, and back.

A pull request keeps in `signed_by` which account the source names, and a review in
`given_by`, so that nothing is lost: ingest writes both, and `move_back` needs no
source.
"""

from django.db.models import F

from apps.metrics.cache import touch
from apps.metrics.models import PRReview, PullRequest, TeamMember


def move(team_id: int, member: int, target: int) -> int:
    """Let all work of a member count as the target's.

    Returns how many rows changed; the caller holds the transaction.
    """
    pulls = PullRequest.objects.for_team(team_id).filter(author=member)
    reviews = PRReview.objects.for_team(team_id).filter(reviewer=member)
    # The first join is kept: the source names that account, whatever it is joined into
    # later.
    pulls.filter(signed_by=None).update(signed_by=F("author"))
    reviews.filter(given_by=None).update(given_by=F("reviewer"))
    return int(pulls.update(author=target)) + int(reviews.update(reviewer=target))


def move_back(team_id: int, member: int) -> None:
    """Let the work that the source names a member for count as theirs again.

    The caller holds the transaction.
    """
    PullRequest.objects.for_team(team_id).filter(signed_by=member).update(
        author=member, signed_by=None
    )
    PRReview.objects.for_team(team_id).filter(given_by=member).update(
        reviewer=member, given_by=None
    )


def apply_joins(team_id: int) -> None:
    """Move what a worker wrote that had not seen a join yet.

    Two statements if there is nothing to do.
    """
    rows = TeamMember.objects.for_team(team_id).filter(joined_into__isnull=False)
    pairs = rows.order_by("pk").values_list("pk", "joined_into_id")
    moved = sum(move(team_id, member, into) for member, into in pairs if into is not None)
    if moved:
        touch(team_id)
