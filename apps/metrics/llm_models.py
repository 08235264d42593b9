"""Store a language model's readings of pull requests, the corrections by members, and
the costs.
"""

from django.conf import settings
from django.db import models

from apps.teams.scoping import TeamScopedModel


class AnalysisState(models.TextChoices):
    PENDING = "pending", "Not read yet"
    DONE = "done", "Read"
    FAILED = "failed", "Could not be read"


class Analysis(TeamScopedModel):
    """Store a model's checked reading of one pull request.

    `input_hash` identifies the exact question and the model. `ai_disclosed` is True if
    the author discloses their own use of AI, and `ai_words` are the author's words for
    it, quoted from the text.
    """

    pull_request = models.OneToOneField(
        "metrics.PullRequest", on_delete=models.CASCADE, related_name="analysis"
    )
    state = models.CharField(
        max_length=10, choices=AnalysisState, default=AnalysisState.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)
    # A short name of why it could not be read (`apps.metrics.llm.outcomes.Cause`).
    cause = models.CharField(max_length=30, blank=True, default="", db_default="")
    input_hash = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=100, blank=True)
    summary = models.TextField(blank=True)
    kind = models.CharField(max_length=20, blank=True)
    area = models.CharField(max_length=60, blank=True)
    risk = models.CharField(max_length=10, blank=True)
    friction = models.CharField(max_length=10, blank=True)
    ai_disclosed = models.BooleanField(null=True, blank=True)
    ai_words = models.TextField(blank=True)
    # When the pull request was last changed, as it was read.
    read_of = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name_plural = "analyses"
        indexes = [models.Index(fields=["team", "input_hash"], name="analysis_by_input")]

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.summary[:60] or self.error[:60]}"


class Correction(TeamScopedModel):
    """Store a member's correction of a pull request's use of AI.

    It wins over markers and model, and stays when either of them changes.
    """

    pull_request = models.OneToOneField(
        "metrics.PullRequest", on_delete=models.CASCADE, related_name="correction"
    )
    ai_assisted = models.BooleanField()
    note = models.CharField(max_length=300, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField(auto_now=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return "AI-assisted" if self.ai_assisted else "No AI"


class LlmSettings(TeamScopedModel):
    """Whether a team's pull requests may be sent to the model, and how many tokens a
    month it may cost.
    """

    enabled = models.BooleanField(default=True)
    monthly_tokens = models.PositiveIntegerField(default=2_000_000)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name = verbose_name_plural = "LLM settings"
        constraints = [
            models.UniqueConstraint(fields=["team"], name="llm_settings_once_in_team")
        ]

    def __str__(self) -> str:
        return f"{'on' if self.enabled else 'off'}, {self.monthly_tokens:,} tokens a month"


class LlmUse(TeamScopedModel):
    """What a team's answers cost in one month; `month` is its first day, in UTC."""

    month = models.DateField()
    requests = models.PositiveIntegerField(default=0)
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name = verbose_name_plural = "LLM use"
        constraints = [
            models.UniqueConstraint(fields=["team", "month"], name="llm_use_once_a_month")
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.tokens_in + self.tokens_out:,} tokens"


class InsightSummary(TeamScopedModel):
    """A day's findings in the model's words.

    `findings`: the [rule, subject] of each that it is about.
    """

    date = models.DateField()
    text = models.TextField()
    model = models.CharField(max_length=100)
    input_hash = models.CharField(max_length=64)
    findings = models.JSONField(default=list)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name_plural = "insight summaries"
        constraints = [
            models.UniqueConstraint(fields=["team", "date"], name="insight_summary_once_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.date}: {self.text[:60]}"


class LlmPace(models.Model):
    """How much of the model's limits is used, by all processes; kept by
    `apps.metrics.llm.pace`. `key` is its address.
    """

    key = models.CharField(max_length=64, primary_key=True)
    tokens_a_minute = models.PositiveIntegerField(null=True)
    blocked_until = models.DateTimeField(null=True)
    # Why, and how often in a row: pauses grow until an answer comes.
    cause = models.CharField(max_length=30, blank=True, default="", db_default="")
    waits = models.PositiveSmallIntegerField(default=0, db_default=0)
    # [[seconds since the epoch, tokens], …] of the last minute.
    sent = models.JSONField(default=list)
    # The request that the installation's budget refused last.
    refused_tokens = models.PositiveBigIntegerField(null=True)
    refused_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = verbose_name_plural = "LLM pace"

    def __str__(self) -> str:
        return f"{len(self.sent)} requests in the last minute"


class LlmReservation(models.Model):
    """Tokens that a request without an answer holds of the installation's budget
    (`apps.metrics.llm.budget`).
    """

    id = models.UUIDField(primary_key=True)
    tokens = models.PositiveBigIntegerField()
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "LLM reservation"

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens until {self.expires_at:%H:%M:%S}"


class LlmDialect(models.Model):
    """How a server and model want to be asked, as learned from them
    (`apps.metrics.llm.dialect`). `key` names both.
    """

    key = models.CharField(max_length=64, primary_key=True)
    limit = models.CharField(max_length=30, blank=True)
    form = models.CharField(max_length=20, blank=True)
    temperature = models.BooleanField()
    system = models.BooleanField()
    room = models.PositiveSmallIntegerField()
    learned_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "LLM dialect"

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.limit, self.form])) or "plain"
