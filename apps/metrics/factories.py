"""Made-up rows for tests, demonstrations and benchmarks (factory-boy, a development
requirement).
"""

from datetime import UTC, date, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from apps.metrics.models import (
    Commit,
    PRReview,
    PullRequest,
    Repository,
    Scope,
    TeamMember,
    WeeklyMetrics,
)
from apps.metrics.records import PullRequestState, ReviewState
from apps.teams.models import Team

_DAY = datetime(2026, 2, 9, 9, tzinfo=UTC)


class TeamFactory(DjangoModelFactory[Team]):
    class Meta:
        model = Team

    name = factory.Sequence(lambda n: f"Team {n}")
    slug = factory.Sequence(lambda n: f"team-{n}")


class RepositoryFactory(DjangoModelFactory[Repository]):
    class Meta:
        model = Repository

    team = factory.SubFactory(TeamFactory)
    source = "github"
    full_name = factory.Sequence(lambda n: f"acme/repository-{n}")
    external_id = factory.Sequence(lambda n: f"R_{n}")
    default_branch = "main"


class TeamMemberFactory(DjangoModelFactory[TeamMember]):
    class Meta:
        model = TeamMember

    team = factory.SubFactory(TeamFactory)
    login = factory.Sequence(lambda n: f"person-{n}")
    name = factory.Sequence(lambda n: f"Person {n}")
    github_id = factory.Sequence(lambda n: 1_000_000 + n)
    key = factory.LazyAttribute(
        lambda member: (
            f"github:{member.github_id}" if member.github_id else f"login:{member.login}"
        )
    )
    is_bot = False
    bot_by_rule = factory.SelfAttribute("is_bot")


class PullRequestFactory(DjangoModelFactory[PullRequest]):
    """Make a pull request that was merged after five hours. `repository` decides its
    team.
    """

    class Meta:
        model = PullRequest

    repository = factory.SubFactory(RepositoryFactory)
    team = factory.SelfAttribute("repository.team")
    author = factory.SubFactory(TeamMemberFactory, team=factory.SelfAttribute("..team"))
    external_id = factory.Sequence(lambda n: f"PR_{n}")
    github_id = factory.Sequence(lambda n: 2_000_000 + n)
    number = factory.Sequence(lambda n: n + 1)
    title = factory.Sequence(lambda n: f"Change {n}")
    state = PullRequestState.MERGED
    # Each one is newer than the one before, however many there are.
    created_at = factory.Sequence(lambda n: _DAY + timedelta(minutes=n))
    merged_at = factory.LazyAttribute(
        lambda pull: (
            pull.created_at + timedelta(hours=5)
            if pull.state == PullRequestState.MERGED
            else None
        )
    )
    closed_at = factory.SelfAttribute("merged_at")
    updated_at = factory.LazyAttribute(lambda pull: pull.closed_at or pull.created_at)
    additions = 20
    deletions = 5
    changed_files = 2
    base_ref = "main"
    head_ref = factory.Sequence(lambda n: f"topic-{n}")


class CommitFactory(DjangoModelFactory[Commit]):
    class Meta:
        model = Commit

    pull_request = factory.SubFactory(PullRequestFactory)
    team = factory.SelfAttribute("pull_request.team")
    author = factory.SelfAttribute("pull_request.author")
    oid = factory.Sequence(lambda n: f"{n:040x}")
    message = factory.Sequence(lambda n: f"Work {n}")
    authored_at = factory.SelfAttribute("pull_request.created_at")
    committed_at = factory.SelfAttribute("authored_at")


class PRReviewFactory(DjangoModelFactory[PRReview]):
    class Meta:
        model = PRReview

    pull_request = factory.SubFactory(PullRequestFactory)
    team = factory.SelfAttribute("pull_request.team")
    reviewer = factory.SubFactory(TeamMemberFactory, team=factory.SelfAttribute("..team"))
    external_id = factory.Sequence(lambda n: f"PRR_{n}")
    state = ReviewState.APPROVED
    submitted_at = factory.LazyAttribute(
        lambda review: review.pull_request.created_at + timedelta(hours=2)
    )


class WeeklyMetricsFactory(DjangoModelFactory[WeeklyMetrics]):
    """A week of the whole team."""

    class Meta:
        model = WeeklyMetrics

    team = factory.SubFactory(TeamFactory)
    scope = Scope.TEAM
    subject = Scope.TEAM.value
    week = factory.Sequence(lambda n: date(2026, 1, 5) + timedelta(weeks=n % 100))
    opened = 5
    merged = 4
    time_to_merge_hours_median = 5.0
    time_to_merge_hours_p75 = 9.0
    time_to_merge_hours_p90 = 20.0
    authors = 3
