"""No row of a team is read without naming the team, by whatever way a queryset can be
read.
"""

import copy
import io
import json
import pickle

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Subquery
from django.shortcuts import get_object_or_404

from apps.integrations.models import Credential, TrackedRepository
from apps.metrics.models import PullRequest, Repository, TeamMember
from apps.teams.models import Team
from apps.teams.scoping import TeamQuerySet, UnscopedQuery
from apps.users.models import User

pulls = PullRequest.objects

READS = {
    "iterate": lambda rows: list(rows),
    "len": lambda rows: len(rows),
    "bool": lambda rows: bool(rows),
    "repr": lambda rows: repr(rows),
    "index": lambda rows: rows.order_by("pk")[0],
    "slice": lambda rows: list(rows.order_by("pk")[:1]),
    "contains operator": lambda rows: PullRequest(pk=1) in rows,
    "get": lambda rows: rows.get(number=1),
    "get_or_create": lambda rows: rows.get_or_create(number=1),
    "update_or_create": lambda rows: rows.update_or_create(number=1, defaults={"title": "x"}),
    "first": lambda rows: rows.first(),
    "last": lambda rows: rows.last(),
    "earliest": lambda rows: rows.earliest("created_at"),
    "latest": lambda rows: rows.latest("created_at"),
    "in_bulk": lambda rows: rows.in_bulk(),
    "in_bulk of keys": lambda rows: rows.in_bulk([1, 2]),
    "values": lambda rows: list(rows.values("title")),
    "values_list": lambda rows: list(rows.values_list("title", flat=True)),
    "named values": lambda rows: list(rows.values_list("title", named=True)),
    "dates": lambda rows: list(rows.dates("created_at", "month")),
    "datetimes": lambda rows: list(rows.datetimes("created_at", "hour")),
    "aggregate": lambda rows: rows.aggregate(n=Count("pk")),
    "aggregate of groups": lambda rows: (
        rows.values("author").annotate(n=Count("pk")).aggregate(m=Count("n"))
    ),
    "count": lambda rows: rows.count(),
    "count of distinct": lambda rows: rows.distinct().count(),
    "exists": lambda rows: rows.exists(),
    "contains": lambda rows: rows.contains(PullRequest(pk=1)),
    "iterator": lambda rows: list(rows.iterator()),
    "chunks": lambda rows: list(rows.iterator(chunk_size=1)),
    "explain": lambda rows: rows.explain(),
    "sql": lambda rows: str(rows.query),
    "select_related": lambda rows: list(rows.select_related("repository")),
    "prefetch_related": lambda rows: list(rows.prefetch_related("commits")),
    "only": lambda rows: list(rows.only("title")),
    "exclude": lambda rows: list(rows.exclude(number=1)),
    "complex_filter": lambda rows: list(rows.complex_filter(Q(number=1))),
    "select_for_update": lambda rows: list(rows.select_for_update()),
    "pickle": lambda rows: pickle.dumps(rows),
    "deep copy": lambda rows: list(copy.deepcopy(rows)),
    "union": lambda rows: list(rows.union(pulls.across_teams())),
    "union of others with it": lambda rows: list(pulls.across_teams().union(rows)),
    "union from another model": lambda rows: list(
        Team.objects.values("pk").union(rows.values("pk"))
    ),
    "intersection": lambda rows: list(pulls.across_teams().intersection(rows)),
    "difference": lambda rows: list(pulls.across_teams().difference(rows)),
    "or": lambda rows: list(rows | pulls.across_teams()),
    "or, on the right": lambda rows: list(pulls.for_team(0) | rows),
    "xor, on the right": lambda rows: list(pulls.for_team(0) ^ rows),
    "in a filter": lambda rows: list(Team.objects.filter(pk__in=rows.values("team"))),
    "as a list of rows in a filter": lambda rows: list(
        Repository.objects.across_teams().filter(pull_requests__in=rows)
    ),
    "subquery": lambda rows: list(Team.objects.annotate(n=Subquery(rows.values("number")[:1]))),
    "subquery in update": lambda rows: Team.objects.update(
        name=Subquery(rows.values("title")[:1])
    ),
    "exists subquery": lambda rows: list(
        Team.objects.filter(Exists(rows.filter(team=OuterRef("pk"))))
    ),
    "update": lambda rows: rows.update(title="x"),
    "bulk_update": lambda rows: rows.bulk_update([PullRequest(pk=1, title="x")], ["title"]),
    "delete": lambda rows: rows.delete(),
    "raw delete": lambda rows: rows._raw_delete("default"),
    "get_object_or_404": lambda rows: get_object_or_404(rows, pk=1),
}
UNSCOPED = {
    "manager": lambda: pulls.all(),
    "filter": lambda: pulls.filter(title__contains="a"),
    "filter by team": lambda: pulls.filter(team_id=1),
    "using": lambda: pulls.using("default"),
    "values and back": lambda: pulls.filter(pk__in=[1, 2]).order_by("-pk"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_unscoped_read_is_an_error(read, acme, globex):
    with (
        pytest.raises(UnscopedQuery, match=r"metrics\.PullRequest belongs to teams"),
        transaction.atomic(),
    ):
        read(pulls.all())
    assert pulls.across_teams().count() == 4
    assert not pulls.across_teams().filter(title="x").exists()


@pytest.mark.parametrize("rows", UNSCOPED.values(), ids=UNSCOPED)
def test_neither_filters_nor_copies_scope_a_query(rows, acme, globex):
    with pytest.raises(UnscopedQuery):
        list(rows())


@pytest.mark.parametrize(
    "read",
    [
        lambda rows: rows.aget(number=1),
        lambda rows: rows.afirst(),
        lambda rows: rows.acount(),
        lambda rows: rows.aexists(),
        lambda rows: rows.aupdate(title="x"),
        lambda rows: rows.adelete(),
        lambda rows: rows.aaggregate(n=Count("pk")),
        lambda rows: rows.aget_or_create(number=1),
        lambda rows: rows.ain_bulk(),
        lambda rows: _collect(rows),
        lambda rows: _collect(rows.aiterator()),
    ],
)
@pytest.mark.django_db
def test_asynchronous_reads_are_guarded_too(read):
    async def run():
        with pytest.raises(UnscopedQuery):
            await read(pulls.all())
        await sync_to_async(list)(pulls.across_teams())

    async_to_sync(run)()


async def _collect(rows):
    return [row async for row in rows]


# What each of these does to its team's rows is Django's affair; that they run, and stay
# in the team, is ours.
STAYS = [
    lambda rows: {row.team_id for row in rows},
    lambda rows: {row.team_id for row in rows.iterator()},
    lambda rows: set(rows.values_list("team_id", flat=True)),
    lambda rows: {row.team_id for row in rows.order_by("pk")[:3]},
    lambda rows: {rows.get(number=1).team_id},
    lambda rows: {rows.first().team_id, rows.last().team_id},
    lambda rows: {row.team_id for row in rows.in_bulk().values()},
    lambda rows: {row["team_id"] for row in rows.values("team_id").annotate(n=Count("pk"))},
    lambda rows: {row.team_id for row in pickle.loads(pickle.dumps(rows))},
    lambda rows: {row.team_id for row in copy.deepcopy(rows)},
    lambda rows: {row.team_id for row in rows.filter(number=1) | rows.filter(number=2)},
    lambda rows: {row.team_id for row in rows.filter(number=1) & pulls.all()},
    lambda rows: {row.team_id for row in pulls.all() & rows},
    lambda rows: {row.team_id for row in rows.filter(number=1).union(rows.filter(number=2))},
    lambda rows: {
        row.team_id
        for row in rows.exclude(commits__message="x").exclude(reviews__state="approved")
    },
    lambda rows: set(
        Team.objects.filter(pk__in=rows.values("team")).values_list("pk", flat=True)
    ),
    lambda rows: {
        row.team_id
        for row in rows.select_related("repository", "author").prefetch_related("commits")
    },
]


@pytest.mark.parametrize("read", STAYS)
def test_a_scoped_query_stays_in_its_team(read, acme, globex):
    assert read(pulls.for_team(acme.team)) == {acme.team.pk}
    assert read(pulls.for_team(globex.team.pk)) == {globex.team.pk}


def test_a_scoped_query_can_be_kept_as_a_pickle_of_its_sql(acme, globex):
    rows = pulls.all()
    rows.query = pickle.loads(pickle.dumps(pulls.for_team(acme.team).query))
    assert {row.team_id for row in rows} == {acme.team.pk}
    rows = pulls.across_teams()
    rows.query = pickle.loads(pickle.dumps(pulls.all().query))
    with pytest.raises(UnscopedQuery):
        list(rows)


def test_writes_stay_in_the_team(acme, globex):
    assert pulls.for_team(acme.team).update(title="x") == 2
    assert pulls.for_team(acme.team).bulk_update([*acme.pulls, *globex.pulls], ["title"]) == 2
    assert pulls.for_team(acme.team).delete()[0] == 2
    assert (
        pulls.across_teams().values_list("team", flat=True).distinct().get() == globex.team.pk
    )


def test_raw_sql_is_refused_always(acme):
    for rows in (pulls, pulls.all(), pulls.for_team(acme.team), pulls.across_teams()):
        with pytest.raises(UnscopedQuery):
            rows.raw("SELECT * FROM metrics_pullrequest")


def test_nothing_is_no_read(acme):
    assert list(pulls.none()) == []
    assert pulls.none().count() == 0
    assert list(pulls.filter(title="x").none()) == []


def test_creating_is_free(acme):
    new = {"team": acme.team, "source": "git"}
    Repository.objects.create(full_name="a", **new)
    Repository.objects.bulk_create([Repository(full_name="b", **new)])
    Repository.objects.bulk_create([Repository(full_name="b", **new)], ignore_conflicts=True)
    Repository.objects.bulk_create(
        [Repository(full_name="b", url="changed", **new)],
        update_conflicts=True,
        unique_fields=["team", "source", "full_name"],
        update_fields=["url"],
    )
    row, created = Repository.objects.for_team(acme.team).get_or_create(
        full_name="b", defaults=new
    )
    assert (row.url, created) == ("changed", False)
    _, created = Repository.objects.for_team(acme.team).update_or_create(
        full_name="c", defaults={"url": "x"}, create_defaults=new
    )
    assert created
    assert Repository.objects.for_team(acme.team).filter(source="git").count() == 3


def test_saving_and_refreshing_a_known_row_is_free(acme):
    pull = acme.pulls[0]
    pull.title = F("title")
    pull.save()
    pull.refresh_from_db()
    pull.delete()
    assert pulls.for_team(acme.team).count() == 1


def test_rows_reached_through_a_row_of_the_team_are_scoped_by_it(acme, globex):
    assert {pull.pk for pull in acme.repository.pull_requests.all()} == {
        pull.pk for pull in acme.pulls
    }
    assert acme.repository.pull_requests.filter(number=1).count() == 1
    assert acme.member.pull_requests.exclude(number=1).get() == acme.pulls[1]
    assert acme.repository.pull_requests.for_team(globex.team).count() == 0
    acme.repository.pull_requests.update(title="x")
    assert acme.repository.pull_requests.create(
        team=acme.team,
        external_id="new",
        number=3,
        title="n",
        state="open",
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
    )
    assert set(globex.repository.pull_requests.values_list("title", flat=True)) == {
        "globex 1",
        "globex 2",
    }


def test_rows_reached_through_a_person_are_not_scoped(acme):
    """A person may be in several teams: a relation from an account spans them."""
    user = User.objects.create_user("a@example.com")
    rows = Credential.objects.all()
    rows._add_hints(instance=user)  # as a related manager of the account would
    with pytest.raises(UnscopedQuery):
        list(rows.filter(created_by=user))


def test_foreign_keys_are_followed_freely(acme):
    TrackedRepository.objects.create(team=acme.team, repository=acme.repository)
    pull = pulls.for_team(acme.team).get(number=1)
    assert pull.repository.full_name == "acme/api"
    assert pull.author.login == "acme"
    assert pull.repository.tracking.repository_id == acme.repository.pk


def test_prefetching_is_scoped_by_the_rows_that_it_starts_from(acme, globex):
    (repository,) = Repository.objects.for_team(acme.team).prefetch_related(
        "pull_requests__author", "tracking"
    )
    assert {pull.author.login for pull in repository.pull_requests.all()} == {"acme"}


def test_a_queryset_lent_to_a_prefetch_stays_unscoped(acme, globex):
    lent = pulls.order_by("-number")
    (repository,) = Repository.objects.for_team(acme.team).prefetch_related(
        Prefetch("pull_requests", lent)
    )
    assert [pull.number for pull in repository.pull_requests.all()] == [2, 1]
    for rows in (lent.all(), lent.filter(number=1), lent):
        with pytest.raises(UnscopedQuery):
            list(rows)


def test_a_team_is_deleted_with_its_rows_only(acme, globex):
    PullRequest.objects.for_team(acme.team).update(author=None)
    acme.team.delete()
    assert TeamMember.objects.across_teams().get() == globex.member
    assert pulls.across_teams().count() == 2


def test_uniqueness_is_validated_without_a_scope_and_the_guard_comes_back(acme):
    twin = Repository(team=acme.team, source="github", full_name="acme/api")
    with pytest.raises(ValidationError, match="already exists"):
        twin.full_clean()
    twin.full_name = "acme/web"
    twin.full_clean()
    with pytest.raises(UnscopedQuery):
        list(Repository.objects.all())


def test_fixtures_can_be_dumped_and_loaded(acme, globex):
    dump = io.StringIO()
    call_command("dumpdata", "teams.team", "metrics", stdout=dump)
    assert (
        sum(row["model"] == "metrics.pullrequest" for row in json.loads(dump.getvalue())) == 4
    )


def test_every_team_scoped_model_reads_through_the_guard():
    for model in (Repository, TeamMember, PullRequest, Credential, TrackedRepository):
        assert isinstance(model._default_manager.all(), TeamQuerySet)
        with pytest.raises(UnscopedQuery):
            str(model.objects.all().query)
