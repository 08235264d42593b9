"""What is known of a team's work: repositories, people, pull requests with their
commits and reviews, and the figures computed from them. Rows are written by
`apps.metrics.ingest.writer` and by the aggregation; both may run any number of times.
"""

from django.conf import settings
from django.db import models

# Django finds models in this module alone; those of the AI reading are written in another.
from apps.metrics.llm_models import (
    Analysis,
    AnalysisState,
    Correction,
    InsightSummary,
    LlmDialect,
    LlmPace,
    LlmReservation,
    LlmSettings,
    LlmUse,
)
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState
from apps.teams.scoping import TeamScopedModel


def _choices(enum: type[PullRequestState | ChangeKind | ReviewState]) -> list[tuple[str, str]]:
    return [(item.value, item.value.replace("_", " ").capitalize()) for item in enum]


class Repository(TeamScopedModel):
    """A repository. Of GitHub it is the one with `github_id` (its `databaseId`) on
    `host`, once these are known.

    `full_name` and `external_id`, GitHub's node id, are addresses that change. A
    clone's `external_id` is its resolved path.
    """

    # The `rows` of a source of `apps.integrations.sources`.
    source = models.CharField(max_length=10)
    full_name = models.CharField(max_length=300)
    external_id = models.CharField(max_length=500, blank=True)
    host = models.CharField(max_length=255, blank=True, default="", db_default="")
    github_id = models.BigIntegerField(null=True, blank=True)
    url = models.CharField(max_length=500, blank=True)
    default_branch = models.CharField(max_length=250, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name_plural = "repositories"
        constraints = [
            models.UniqueConstraint(
                fields=["team", "source", "full_name"], name="repository_once_in_team"
            ),
            models.UniqueConstraint(
                fields=["team", "host", "github_id"],
                name="repository_identity_once",
                condition=models.Q(github_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.full_name


# The key of the member in place of all deleted accounts.
GHOST_KEY = "ghost"


class TeamMember(TeamScopedModel):
    """Store a person or bot who appears in the team's work; not an account of this
    site.

    `key` is `github:<numeric id>` if GitHub gave one, otherwise `login:<lower-cased
    login>`. The row with the key `ghost` represents all deleted accounts.
    """

    key = models.CharField(max_length=300)
    login = models.CharField(max_length=250)
    # What is shown: the account's name, or else that of commits in a clone.
    name = models.CharField(max_length=250, blank=True)
    # Each is null until such a source has named the person; an account's is empty if it
    # has no name, or none was given.
    account_name = models.CharField(max_length=250, null=True, blank=True)  # noqa: DJ001
    commit_name = models.CharField(max_length=250, null=True, blank=True)  # noqa: DJ001
    github_id = models.BigIntegerField(null=True, blank=True)
    # What counts: the decision of an admin, or else the rule of
    # `apps.metrics.ingest.bots`.
    is_bot = models.BooleanField(default=False)
    bot_by_rule = models.BooleanField(default=False, db_default=False)
    bot_decision = models.BooleanField(null=True, blank=True)
    bot_decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    bot_decided_at = models.DateTimeField(null=True, blank=True)
    # The same person's other account, whose work counts as this one's: see
    # `apps.metrics.accounts.joins`.
    joined_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="joined"
    )
    joined_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    joined_at = models.DateTimeField(null=True, blank=True)
    # An admin decided that it is not the person of the same name.
    is_apart = models.BooleanField(default=False, db_default=False)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["team", "key"], name="member_once_in_team")
        ]

    def __str__(self) -> str:
        return self.login


class DetailState(models.TextChoices):
    """Whether commits, reviews and body have been read.

    `degraded` names its reason in `detail_error`.
    """

    PENDING = "pending", "Pending"
    COMPLETE = "complete", "Complete"
    DEGRADED = "degraded", "Degraded"


# Orders pull requests that are alike in what a list is ordered by. Keys would not do:
# two installations over the same sources give them in different orders, and have to
# show the same.
TIES = (models.F("number").desc(nulls_last=True), "repository__full_name", "external_id")


class PullRequest(TeamScopedModel):
    """A pull request, or (kind `change`) a direct commit: one that reached the trunk
    without a pull request.
    """

    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, related_name="pull_requests"
    )
    external_id = models.CharField(max_length=120)
    github_id = models.BigIntegerField(null=True, blank=True)
    number = models.PositiveIntegerField(null=True, blank=True)
    kind = models.CharField(
        max_length=20, choices=_choices(ChangeKind), default=ChangeKind.PULL_REQUEST
    )
    title = models.TextField()
    body = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=_choices(PullRequestState))
    is_draft = models.BooleanField(default=False)
    author = models.ForeignKey(
        TeamMember, on_delete=models.PROTECT, null=True, related_name="pull_requests"
    )
    # The account that the source names, if it was joined into the author's.
    signed_by = models.ForeignKey(
        TeamMember, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    merged_by = models.ForeignKey(
        TeamMember, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    merged_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    additions = models.PositiveIntegerField(default=0)
    deletions = models.PositiveIntegerField(default=0)
    changed_files = models.PositiveIntegerField(default=0)
    base_ref = models.CharField(max_length=250, blank=True)
    head_ref = models.CharField(max_length=250, blank=True)
    merge_commit_oid = models.CharField(max_length=64, blank=True)
    url = models.CharField(max_length=500, blank=True)
    labels = models.JSONField(default=list)

    # What a clone does not know, or leaves out: see
    # `apps.metrics.records.PullRequestData`.
    opening_known = models.BooleanField(default=True, db_default=True)
    lines_left_out = models.PositiveIntegerField(default=0, db_default=0)
    digest = models.CharField(max_length=64, blank=True, default="", db_default="")

    detail_state = models.CharField(
        max_length=10, choices=DetailState, default=DetailState.PENDING
    )
    detail_error = models.TextField(blank=True)

    # The verdict of apps.metrics.ai.markers: None until read. `ai_assisted` False means
    # "no marker found", not "no AI".
    ai_assisted = models.BooleanField(null=True, blank=True)
    ai_tools = models.JSONField(default=list)
    ai_evidence = models.JSONField(default=list)
    markers_version = models.PositiveIntegerField(default=0)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "external_id"], name="pull_request_once"
            ),
            # Of GitHub a pull request is its number; its node id (`external_id`) is an
            # address.
            models.UniqueConstraint(
                fields=["repository", "number"],
                name="pull_request_number_once",
                condition=models.Q(github_id__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["team", "merged_at"], name="pr_team_merged"),
            models.Index(fields=["team", "created_at"], name="pr_team_created"),
            models.Index(fields=["team", "closed_at"], name="pr_team_closed"),
            models.Index(
                fields=["repository", "detail_state", "-created_at"], name="pr_detail_todo"
            ),
            models.Index(fields=["team", "markers_version"], name="pr_markers_todo"),
            # Few rows have one, and a partial index costs the other rows nothing.
            models.Index(
                fields=["signed_by"],
                name="pr_signed_by",
                condition=models.Q(signed_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.title}" if self.number else self.title


class Exclusion(models.TextChoices):
    """Why a pull request is in no figure of people's reviewed work."""

    NONE = "", "Not excluded"
    DIRECT_COMMIT = "direct-commit", "Direct commit"
    RELEASE = "release", "Release"
    BOT = "bot", "Written by a bot"
    UNREAD = "unread", "Commits and reviews are not read yet"


class PullRequestFigures(TeamScopedModel):
    """Store what the definitions give for one pull request or direct commit: one row of
    measures, which every page, table, export, and insight aggregates.

    `apps.metrics.figures.measures` computes and writes it. Moments that are impossible
    are null, and so is a duration that doesn't exist.
    """

    pull_request = models.OneToOneField(
        PullRequest, on_delete=models.CASCADE, primary_key=True, related_name="figures"
    )
    definitions_version = models.PositiveIntegerField()
    excluded = models.CharField(max_length=15, choices=Exclusion, blank=True)
    by_bot = models.BooleanField()

    opened_at = models.DateTimeField(null=True, blank=True)
    merged_at = models.DateTimeField(null=True, blank=True)
    # Closed without a merge.
    closed_at = models.DateTimeField(null=True, blank=True)
    # The moment at which a direct commit reached the trunk, which has none of the others.
    pushed_at = models.DateTimeField(null=True, blank=True)
    first_commit_at = models.DateTimeField(null=True, blank=True)
    # The first review by another person that is not earlier than the opening.
    first_review_at = models.DateTimeField(null=True, blank=True)
    # The first approval by another person.
    approved_at = models.DateTimeField(null=True, blank=True)

    time_to_merge_hours = models.FloatField(null=True, blank=True)
    coding_hours = models.FloatField(null=True, blank=True)
    pickup_hours = models.FloatField(null=True, blank=True)
    review_hours = models.FloatField(null=True, blank=True)
    merge_hours = models.FloatField(null=True, blank=True)
    cycle_hours = models.FloatField(null=True, blank=True)

    # Null for a release, whose lines were counted with what it brings.
    additions = models.PositiveIntegerField(null=True, blank=True)
    deletions = models.PositiveIntegerField(null=True, blank=True)

    # Submitted reviews of any kind.
    reviews = models.PositiveIntegerField()
    # The reviews by other people as JSON: [[member, seconds since 1970, approves], …].
    counted_reviews = models.TextField()
    # Null if the pull request is excluded or not merged.
    without_approval = models.BooleanField(null=True, blank=True)
    rework_cycles = models.PositiveIntegerField(null=True, blank=True)
    is_revert = models.BooleanField()

    # A `Verdict` of `apps.metrics.figures.definitions`.
    ai_verdict = models.CharField(max_length=10)
    ai_agent_authored = models.BooleanField()
    ai_hinted = models.BooleanField()
    # The names of the tools, separated by spaces.
    ai_tools = models.TextField(blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name = verbose_name_plural = "pull request figures"

    def __str__(self) -> str:
        return f"Figures of {self.pull_request_id}"


class Commit(TeamScopedModel):
    pull_request = models.ForeignKey(
        PullRequest, on_delete=models.CASCADE, related_name="commits"
    )
    oid = models.CharField(max_length=64)
    message = models.TextField()
    authored_at = models.DateTimeField()
    committed_at = models.DateTimeField()
    author = models.ForeignKey(
        TeamMember, on_delete=models.PROTECT, null=True, related_name="commits"
    )
    author_name = models.CharField(max_length=250, blank=True)
    author_email = models.CharField(max_length=320, blank=True)
    additions = models.PositiveIntegerField(null=True, blank=True)
    deletions = models.PositiveIntegerField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["pull_request", "oid"], name="commit_once")
        ]

    def __str__(self) -> str:
        return self.oid[:12]


class PRReview(TeamScopedModel):
    pull_request = models.ForeignKey(
        PullRequest, on_delete=models.CASCADE, related_name="reviews"
    )
    external_id = models.CharField(max_length=120)
    reviewer = models.ForeignKey(
        TeamMember, on_delete=models.PROTECT, null=True, related_name="reviews"
    )
    # As `PullRequest.signed_by`.
    given_by = models.ForeignKey(
        TeamMember, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    state = models.CharField(max_length=20, choices=_choices(ReviewState))
    submitted_at = models.DateTimeField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["pull_request", "external_id"], name="review_once")
        ]
        indexes = [
            models.Index(
                fields=["given_by"],
                name="review_given_by",
                condition=models.Q(given_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} by {self.reviewer}"


class Scope(models.TextChoices):
    TEAM = "team", "Team"
    REPOSITORY = "repository", "Repository"
    MEMBER = "member", "Member"


class WeeklyMetrics(TeamScopedModel):
    """Store one ISO week of a team, a repository, or a member. Its Monday, in the
    team's time zone, names it.

    `apps.metrics.figures.definitions` defines the columns. A median of nothing is null;
    its `_n` is the number of values.
    """

    scope = models.CharField(max_length=10, choices=Scope)
    # "team", "repository:<pk>", or "member:<pk>": one column, never null, so that a
    # unique constraint works in every database.
    subject = models.CharField(max_length=40)
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, null=True, related_name="weekly_metrics"
    )
    member = models.ForeignKey(
        TeamMember, on_delete=models.CASCADE, null=True, related_name="weekly_metrics"
    )
    week = models.DateField()
    opened = models.PositiveIntegerField(default=0)
    merged = models.PositiveIntegerField(default=0)
    time_to_merge_hours_median = models.FloatField(null=True, blank=True)
    time_to_merge_hours_p75 = models.FloatField(null=True, blank=True)
    time_to_merge_hours_p90 = models.FloatField(null=True, blank=True)
    authors = models.PositiveIntegerField(default=0)
    ai_assisted = models.PositiveIntegerField(default=0)
    additions = models.PositiveBigIntegerField(default=0)
    deletions = models.PositiveBigIntegerField(default=0)
    reviews = models.PositiveIntegerField(default=0)
    closed = models.PositiveIntegerField(default=0, db_default=0)
    time_to_merge_hours_n = models.PositiveIntegerField(default=0, db_default=0)
    coding_hours_median = models.FloatField(null=True, blank=True)
    coding_hours_p75 = models.FloatField(null=True, blank=True)
    coding_hours_p90 = models.FloatField(null=True, blank=True)
    coding_hours_n = models.PositiveIntegerField(default=0, db_default=0)
    pickup_hours_median = models.FloatField(null=True, blank=True)
    pickup_hours_p75 = models.FloatField(null=True, blank=True)
    pickup_hours_p90 = models.FloatField(null=True, blank=True)
    pickup_hours_n = models.PositiveIntegerField(default=0, db_default=0)
    review_hours_median = models.FloatField(null=True, blank=True)
    review_hours_p75 = models.FloatField(null=True, blank=True)
    review_hours_p90 = models.FloatField(null=True, blank=True)
    review_hours_n = models.PositiveIntegerField(default=0, db_default=0)
    merge_hours_median = models.FloatField(null=True, blank=True)
    merge_hours_p75 = models.FloatField(null=True, blank=True)
    merge_hours_p90 = models.FloatField(null=True, blank=True)
    merge_hours_n = models.PositiveIntegerField(default=0, db_default=0)
    cycle_hours_median = models.FloatField(null=True, blank=True)
    cycle_hours_p75 = models.FloatField(null=True, blank=True)
    cycle_hours_p90 = models.FloatField(null=True, blank=True)
    cycle_hours_n = models.PositiveIntegerField(default=0, db_default=0)
    size_lines_median = models.FloatField(null=True, blank=True)
    size_lines_p75 = models.FloatField(null=True, blank=True)
    size_lines_p90 = models.FloatField(null=True, blank=True)
    review_depth = models.FloatField(null=True, blank=True)
    reviewable = models.PositiveIntegerField(default=0, db_default=0)
    without_approval = models.PositiveIntegerField(default=0, db_default=0)
    reworked = models.PositiveIntegerField(default=0, db_default=0)
    rework_cycles = models.PositiveIntegerField(default=0, db_default=0)
    reverts = models.PositiveIntegerField(default=0, db_default=0)
    reviewed = models.PositiveIntegerField(default=0, db_default=0)
    reviewers = models.PositiveIntegerField(default=0, db_default=0)
    review_gini = models.FloatField(null=True, blank=True)
    ai_agent_authored = models.PositiveIntegerField(default=0, db_default=0)
    ai_hinted = models.PositiveIntegerField(default=0, db_default=0)
    ai_tools = models.TextField(blank=True, default="", db_default="")  # "claude=3 codex=1"
    direct_commits = models.PositiveIntegerField(default=0, db_default=0)
    definitions_version = models.PositiveIntegerField(default=1)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name = verbose_name_plural = "weekly metrics"
        constraints = [
            models.UniqueConstraint(fields=["team", "subject", "week"], name="weekly_once")
        ]
        indexes = [models.Index(fields=["team", "scope", "week"], name="weekly_by_scope")]

    def __str__(self) -> str:
        return f"{self.subject} {self.week:%G-W%V}"


class Insight(TeamScopedModel):
    """One finding of one rule about one subject on one day, with the evidence that it
    rests on.
    """

    date = models.DateField()
    rule = models.CharField(max_length=60)
    subject = models.CharField(max_length=60)
    title = models.CharField(max_length=250)
    body = models.TextField(blank=True)
    advice = models.TextField(blank=True)
    # Numbers and references that the words are made of: {"before": …, "after": …, "n":
    # …, "pull_requests": [pk, …]}.
    evidence = models.JSONField(default=dict)
    effect = models.FloatField(default=0.0)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(
                fields=["team", "date", "rule", "subject"], name="insight_once"
            )
        ]

    def __str__(self) -> str:
        return self.title


class InsightDismissal(TeamScopedModel):
    """Store that a team has hidden a rule's findings about a subject, and why.

    It holds until a member restores them.
    """

    rule = models.CharField(max_length=60)
    subject = models.CharField(max_length=60)
    reason = models.CharField(max_length=500)
    dismissed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    dismissed_at = models.DateTimeField()

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["team", "rule", "subject"], name="dismissal_once")
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.subject}: {self.reason}"


class FiguresStamp(models.Model):
    """Store a value that changes whenever the data behind a team's pages does; see
    `apps.metrics.cache`.
    """

    team = models.OneToOneField(
        "teams.Team", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    stamp = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.team_id}: {self.stamp}"


class ApiToken(TeamScopedModel):
    """Store a token by which a program reads a team's figures.

    The token itself is shown once; only its SHA-256 is stored.
    """

    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    # The first characters of the token, by which people recognize it.
    hint = models.CharField(max_length=12)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


__all__ = [
    "Analysis",
    "AnalysisState",
    "ApiToken",
    "Commit",
    "Correction",
    "DetailState",
    "Exclusion",
    "FiguresStamp",
    "Insight",
    "InsightSummary",
    "LlmDialect",
    "LlmPace",
    "LlmReservation",
    "LlmSettings",
    "LlmUse",
    "PRReview",
    "PullRequest",
    "PullRequestFigures",
    "Repository",
    "Scope",
    "TeamMember",
    "WeeklyMetrics",
]
