"""The demo's journey, by the product's own code: a person, their team, a connected
source, a run, and what came of it.

To be imported once the environment is what it should be.
"""

from collections.abc import Callable
from pathlib import Path

import django

django.setup()

from allauth.account.signals import user_signed_up  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.urls import reverse  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.padding import Padding  # noqa: E402
from rich.table import Table  # noqa: E402

from apps.integrations.connections import service  # noqa: E402
from apps.integrations.connections.grants import grant  # noqa: E402
from apps.integrations.sources import base  # noqa: E402
from apps.integrations.sources.errors import InvalidName, SourceError  # noqa: E402
from apps.metrics.figures.export import weekly_rows  # noqa: E402
from apps.metrics.insights.daily import top_insights  # noqa: E402
from apps.metrics.models import Scope  # noqa: E402
from apps.onboarding.following import Follower, NoWorker  # noqa: E402
from apps.onboarding.services import journey  # noqa: E402
from apps.onboarding.services.runs import totals_of  # noqa: E402
from apps.pipelines.models import Run, RunState  # noqa: E402
from apps.teams.models import Team  # noqa: E402
from apps.teams.services import create_team_for  # noqa: E402
from apps.users.models import User  # noqa: E402
from apps.users.sign_in_links import make_link  # noqa: E402

WEEKS = 8
# One and several of what a run's totals count.
NOUNS = {
    "repositories": ("repository", "repositories"),
    "pull_requests": ("pull request", "pull requests"),
    "reviews": ("review", "reviews"),
    "commits": ("commit", "commits"),
    "ai_assisted": ("AI-assisted", "AI-assisted"),
}


class Unusable(Exception):
    """The source cannot be onboarded; the message says why."""


def set_up() -> None:
    """The tables."""
    call_command("migrate", verbosity=0)


class Demo:
    """A person's team and its newest run."""

    def __init__(self, email: str, name: str) -> None:
        self.user, self.team = account(email, name)
        self.console = Console()

    @property
    def run(self) -> Run | None:
        return journey.newest_run(self.team)

    def begin(self, repo: Path | None, months: int) -> bool:
        """Connect, choose everything, start; False where a run is there already.

        Raises Unusable.
        """
        if self.run:
            return False
        source = "git" if repo else "sample"
        try:
            # Of all the clones beside the given one none is wanted, so they are not
            # looked for.
            found = None if repo else service.check(self.team, source)
            if repo:
                grant(self.team, source)
            connection = journey.connect(self.team, self.user, source, found=found)
            while not repo and connection.listing_more:
                service.read_more(connection)
            names = [str(repo)] if repo else [listed["name"] for listed in connection.listing]
            journey.begin(self.team, self.user, {base.get(source).rows: names}, months)
        except (SourceError, InvalidName) as problem:
            raise Unusable(str(problem)) from None
        return True

    def show_addresses(self) -> None:
        """Where to look. The last address signs the person in, once."""
        run = self.run
        live = run is not None and run.is_live
        print(f"Mails            {settings.SITE_URL}{reverse('mail:list')}")
        print(f"Admin, funnel    {settings.SITE_URL}{reverse('admin:index')}")
        if run and live:
            self._show_link("Watch it live", "onboarding:run_detail", run_id=run.pk)
        else:
            # The product leads to where the team left off.
            self._show_link("Look at it", "onboarding:setup")

    def _show_link(self, words: str, name: str, **rest: object) -> None:
        link = make_link(self.user, reverse(name, kwargs={"slug": self.team.slug, **rest}))
        print(
            f"{words} (signs {self.user.email} in, once, within an hour):\n\n    {link}\n",
            flush=True,
        )

    def follow(self, check: Callable[[], None]) -> None:
        """Show a live run until it has ended, then what came of it.

        Raises what `check` raises meanwhile.
        """
        run = self.run
        if run is None or not run.is_live:
            return
        follower = Follower(run, self.team)
        try:
            follower.follow(check)
        except NoWorker as reason:
            follower.say(str(reason))
            return
        finally:
            follower.close()
        self.show(run)

    def show(self, run: Run) -> None:
        """What came of it: totals, the latest weeks, the findings, and the way in."""
        run.refresh_from_db()
        totals = totals_of(self.team.pk, run.params.get("repo_ids"))
        self.console.print(
            f"\n[bold]{self.team.name}[/bold]: {run.get_state_display().lower()}",
            highlight=False,
        )
        if run.error:
            self.console.print(run.error, markup=False, highlight=False)
        self.console.print(
            "  ".join(map(counted, totals.items())), highlight=False, soft_wrap=True
        )
        self.console.print()
        if run.state in (RunState.DONE, RunState.PARTIAL):
            self.console.print(weeks(self.team))
            for number, insight in enumerate(top_insights(self.team.pk), 1):
                self.console.print(f"{number}. [bold]{insight.title}[/bold]", highlight=False)
                words = Padding(f"{insight.body} {insight.advice}".rstrip(), (0, 0, 0, 3))
                self.console.print(words, highlight=False)
        self.user.refresh_from_db()
        print("\nAll of it is served until Ctrl-C.")
        self._show_link("Look at it", "onboarding:run_detail", run_id=run.pk)


def account(email: str, name: str) -> tuple[User, Team]:
    """The person and their team, made where missing as signing up does.

    May see the admin, too.
    """
    with transaction.atomic():
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User.objects.create_user(email, is_staff=True, is_superuser=True)
            user_signed_up.send(sender=User, request=None, user=user)
        team = Team.objects.filter(name=name, memberships__user=user).first()
        return user, team or create_team_for(name, user)


def counted(total: tuple[str, object]) -> str:
    """One of the totals, as in `1 repository`."""
    name, count = total
    return f"{count:,} {NOUNS[name][count != 1]}"


def weeks(team: Team) -> Table:
    table = Table(title=f"The latest {WEEKS} weeks")
    for heading in (
        "week",
        "opened",
        "merged",
        "hours to\nmerge",
        "p75",
        "authors",
        "AI-\nassisted",
        "reviews",
    ):
        table.add_column(heading, justify="left" if heading == "week" else "right")
    for row in list(weekly_rows(team.pk, Scope.TEAM))[-WEEKS:]:
        hours = (row["time_to_merge_hours_median"], row["time_to_merge_hours_p75"])
        spans = ["–" if value is None else f"{value:.1f}" for value in hours]
        counts = [str(row[key]) for key in ("authors", "ai_assisted", "reviews")]
        table.add_row(row["week"], str(row["opened"]), str(row["merged"]), *spans, *counts)
    return table
