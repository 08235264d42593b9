"""Compares what is stored of a team with what another team has that read the same
sources for the first time.

    assert differences(team, fresh) == []

Rows are compared over all columns, by what names them (a pull request by repository and
number, a person by key); primary keys, the team, moments of reading, and GitHub's node
ids, which are addresses only, are left out.
"""

from apps.metrics.models import Commit, PRReview, PullRequest, Repository, TeamMember

# Columns that say when or under which key something was read, not what.
OF_READING = {
    "id",
    "team",
    "external_id",
    "pull_request",
    "markers_version",
    "ai_assisted",
    "ai_tools",
    "ai_evidence",
}
OF_REPOSITORY = {"id", "team", "created_at", "external_id"}


def _people(team):
    return dict(TeamMember.objects.for_team(team).values_list("pk", "key"))


def _plain(row, people, left_out):
    """Return a row's columns by name, with people by their keys."""
    values = {}
    for field in row._meta.concrete_fields:
        if field.name in left_out or field.name == "repository":
            continue
        value = getattr(row, field.attname)
        if field.related_model is TeamMember:
            value = people.get(value)
        values[field.name] = value
    return values


def _name(pull):
    """Return what names a pull request: GitHub's by number, a clone's by its id."""
    return (
        pull.repository.full_name,
        pull.number if pull.repository.source == "github" else pull.external_id,
    )


def stored(team):
    """Return everything that is compared, by what names it."""
    people = _people(team)
    found = {}
    for repository in Repository.objects.for_team(team):
        found["repository", repository.full_name] = _plain(repository, people, OF_REPOSITORY)
    for member in TeamMember.objects.for_team(team):
        found["member", member.key] = _plain(member, people, OF_READING)
    for pull in PullRequest.objects.for_team(team).select_related("repository"):
        found["pull request", *_name(pull)] = _plain(pull, people, OF_READING)
    for commit in Commit.objects.for_team(team).select_related("pull_request__repository"):
        found["commit", *_name(commit.pull_request), commit.oid] = _plain(
            commit, people, OF_READING
        )
    for review in PRReview.objects.for_team(team).select_related("pull_request__repository"):
        given = (people[review.reviewer_id], str(review.submitted_at), review.state)
        found["review", *_name(review.pull_request), *given] = _plain(
            review, people, OF_READING
        )
    return found


def differences(team, fresh):
    """Return what differs, as texts: a row that only one team has, or a column with
    both values.
    """
    mine, theirs = stored(team), stored(fresh)
    found = [f"only in the refreshed: {key}" for key in mine.keys() - theirs.keys()]
    found += [f"only in the fresh: {key}" for key in theirs.keys() - mine.keys()]
    for key in mine.keys() & theirs.keys():
        for column, value in mine[key].items():
            if theirs[key][column] != value:
                found.append(f"{key} {column}: {value!r}, fresh {theirs[key][column]!r}")
    return sorted(found)
