"""The name of a person in clones. It comes from the newest commit that the person
wrote, in whatever order commits are read.

    Ann <ann@acme.example>        commit of March
    Ann Lee <ann@acme.example>    commit of May: "Ann Lee", also if the commit of March is read again later
"""

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from apps.integrations.sources.git import KEY
from apps.integrations.sources.git.people import person
from apps.metrics.ingest.identities import name_by_commits
from apps.metrics.models import Commit
from apps.metrics.records import PersonData


def settle_names(team_id: int) -> int:
    """Give the authors of a team's clones the names of their newest commits, by date,
    then by id.

    Call it in a transaction of the caller's. Returns how many people changed.
    """
    commits = Commit.objects.for_team(team_id).filter(pull_request__repository__source=KEY)
    newest_first = [F("committed_at").desc(), F("oid").desc()]
    place = Window(RowNumber(), partition_by=[F("author")], order_by=newest_first)
    newest = (
        commits.filter(author__isnull=False).annotate(place=place).filter(place=1).order_by()
    )
    signed: dict[int, PersonData] = {}
    for author, name, email in newest.values_list("author_id", "author_name", "author_email"):
        found = person(name, email)
        if found is not None and author is not None:
            signed[author] = found
    return name_by_commits(team_id, signed)
