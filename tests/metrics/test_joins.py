"""Accounts of one person: suggested by name, joined by an admin, and taken apart in one
click.
"""

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.integrations.sources.git.people import person as signer
from apps.metrics.accounts import joins
from apps.metrics.factories import TeamMemberFactory
from apps.metrics.figures.joined import apply_joins
from apps.metrics.figures.weekly import recompute
from apps.metrics.ingest.identities import remove_unseen
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.models import PullRequest, TeamMember, WeeklyMetrics
from apps.teams.models import Role
from apps.users.models import User
from tests.metrics.conftest import BOB, make_commit, make_pull, make_review

ADDRESSES = ["ann@work.example", "ann@home.example", "alee@old.example"]


@pytest.fixture
def admin(team):
    user = User.objects.create_user("ada@acme.example")
    team.memberships.create(user=user, role=Role.ADMIN)
    return user


def pulls_of_three(name="Ann Lee"):
    """Five pull requests: three by one address, one by each of the other two."""
    found = []
    for number, address in enumerate([*ADDRESSES, ADDRESSES[0], ADDRESSES[0]], 1):
        author = signer(name, address)
        commit = make_commit(
            f"c{number}", author=author, author_name=name, author_email=address
        )
        found.append(
            make_pull(
                f"git:{number}", number=None, author=author, commits=(commit,), reviews=()
            )
        )
    return found


@pytest.fixture
def ann(team, repository):
    """The suggestion of three accounts of one name, from a clone."""
    ingest_pull_requests(repository, pulls_of_three())
    recompute(team.pk)
    (group,) = joins.same_names(team.pk)
    return group


def decide(client, team, group, decision):
    members = [member.pk for member in group.others]
    path = reverse("metrics:join_accounts", args=[team.slug, group.target.pk])
    return client.post(path, {"decision": decision, "members": members})


def rows(team):
    """Return the weekly rows without their keys, and who wrote what."""
    weekly = [
        {name: value for name, value in row.items() if name != "id"}
        for row in WeeklyMetrics.objects.for_team(team).order_by("subject", "week").values()
    ]
    return weekly, dict(
        PullRequest.objects.for_team(team).values_list("external_id", "author_id")
    )


def merged_by_member(team):
    rows = WeeklyMetrics.objects.for_team(team).filter(scope="member")
    return sorted(rows.values_list("merged", flat=True))


def test_three_addresses_of_one_name_are_suggested(ann):
    assert ann.accounts[0].addresses == (ADDRESSES[0],)
    assert [account.pulls for account in ann.accounts] == [3, 1, 1]


def test_join_acts_at_once_and_undo_takes_it_back(team, ann, admin, client):
    before = rows(team)
    client.force_login(admin)
    assert decide(client, team, ann, "join").status_code == 303
    assert merged_by_member(team) == [5]
    assert WeeklyMetrics.objects.for_team(team).get(subject="team").authors == 1
    assert joins.same_names(team.pk) == []
    page = client.get(reverse("metrics:people", args=[team.slug])).content.decode()
    assert f'data-joined="{ann.target.pk}"' in page
    decide(client, team, ann, "undo")
    assert rows(team) == before
    assert len(joins.same_names(team.pk)) == 1


def test_join_survives_refreshes(team, repository, ann, admin):
    joins.join(ann.target, ann.others, admin, timezone.now())
    again = pulls_of_three()
    new = make_pull(
        "git:6", number=None, author=signer("Ann Lee", ADDRESSES[2]), commits=(), reviews=()
    )
    ingest_pull_requests(repository, [*again, new])
    remove_unseen(team.pk)
    assert set(PullRequest.objects.for_team(team).values_list("author_id", flat=True)) == {
        ann.target.pk
    }
    joins.undo(ann.target)
    owner = TeamMember.objects.for_team(team).get(key=f"login:{new.author.login}")
    assert PullRequest.objects.for_team(team).filter(author=owner).count() == 2


def test_work_written_by_a_worker_that_had_not_seen_the_join_is_moved(
    team, repository, ann, admin
):
    joins.join(ann.target, ann.others, admin, timezone.now())
    late = ann.others[0].pk
    PullRequest.objects.for_team(team).filter(external_id="git:2").update(
        author=late, signed_by=None
    )
    apply_joins(team.pk)
    pull = PullRequest.objects.for_team(team).get(external_id="git:2")
    assert (pull.author_id, pull.signed_by_id) == (ann.target.pk, late)


def test_reviews_by_a_joined_account_are_the_author_s_own(team, repository, admin):
    """A person's second account reviews the first one's pull request."""
    author = signer("Bob", "bob@example.com")
    ingest_pull_requests(
        repository, [make_pull(author=author, commits=(), reviews=(make_review(),))]
    )
    recompute(team.pk)
    (group,) = joins.same_names(team.pk)
    assert group.target.github_id == BOB.github_id
    joins.join(group.target, group.others, admin, timezone.now())
    assert WeeklyMetrics.objects.for_team(team).get(subject="team").reviewed == 0
    joins.undo(group.target)
    assert WeeklyMetrics.objects.for_team(team).get(subject="team").reviewed == 1


def test_accounts_kept_apart_are_suggested_no_more_until_undone(team, ann, admin, client):
    client.force_login(admin)
    decide(client, team, ann, "apart")
    assert joins.same_names(team.pk) == []
    assert merged_by_member(team) == [1, 1, 3]
    decide(client, team, ann, "suggest")
    assert len(joins.same_names(team.pk)) == 1


def test_accounts_of_other_names_cannot_be_joined(team, ann, admin, client):
    other = TeamMemberFactory(team=team, name="Zoe", login="zoe")
    client.force_login(admin)
    path = reverse("metrics:join_accounts", args=[team.slug, ann.target.pk])
    client.post(path, {"decision": "join", "members": [other.pk]})
    other.refresh_from_db()
    assert other.joined_into is None


def test_members_cannot_join(team, ann, visit, client):
    assert f'data-same-name="{ann.target.pk}"' in visit("people").content.decode()
    assert decide(client, team, ann, "join").status_code == 403
    assert merged_by_member(team) == [1, 1, 3]


def test_two_accounts_of_github_and_machines_are_not_suggested(team):
    for login in ("wei-1", "wei-2"):
        TeamMemberFactory(team=team, name="Wei Zhang", login=login)
    for login in ("root~1", "root~2"):
        TeamMemberFactory(team=team, name="root", login=login, github_id=None)
    for login in ("x~1", "x~2"):
        TeamMemberFactory(team=team, name="", login=login, github_id=None)
    assert joins.same_names(team.pk) == []


def test_page_of_a_joined_account_leads_to_the_person(team, ann, admin, visit):
    joins.join(ann.target, ann.others, admin, timezone.now())
    answer = visit("member", ann.others[0].pk)
    assert answer["Location"] == reverse("metrics:member", args=[team.slug, ann.target.pk])
