"""One real message in the outbox of each kind of email, by what causes it in the
product.

kinds()             # the kinds that have templates: {"complete", "digest", "password_changed", …}
queue("digest")     # the messages of one kind
"""

import logging
from datetime import timedelta
from pathlib import Path

from allauth.account.models import EmailAddress
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from apps.mail.letters import KIND_HEADER
from apps.mail.models import OutboxMessage
from apps.metrics.factories import PullRequestFactory, RepositoryFactory
from apps.metrics.figures.weekly import recompute
from apps.metrics.models import Insight
from apps.onboarding.models import RefreshFailure
from apps.onboarding.services import digest, notifications
from apps.onboarding.services.runs import totals_of
from apps.pipelines import engine
from apps.teams import invitations, joining, recovery
from apps.teams.models import Team
from apps.teams.services import create_team
from apps.users.models import User
from apps.users.signals import handle_user_signed_up
from project import operator_mail
from tests.metrics.pages import MONDAY, merged
from tests.users.test_account_emails import PREFIXES
from tests.users.test_account_emails import send as send_account_email

NOW = MONDAY + timedelta(days=7, hours=8)
TEMPLATES = Path(settings.BASE_DIR, "templates")
BLOCKS = TEMPLATES / "email"
MISSING = [{"what": "acme/checkout-api", "why": "GitHub timed out (502)."}]


def kinds():
    """Return each kind by its templates, whoever sends it."""
    paths = [path for path in TEMPLATES.glob("**/email/*.html") if path.parent != BLOCKS]
    return {path.stem.removesuffix("_message") for path in paths}


def person(email):
    user = User.objects.create_user(email, "correct horse battery")
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return user


class World:
    """A team with figures, insights, and a run."""

    def __init__(self):
        self.owner = person("lead@acme.example")
        self.team = create_team("Acme Engineering", self.owner)
        Team.objects.filter(pk=self.team.pk).update(onboarding_pipeline_completed_at=MONDAY)
        self.team.refresh_from_db()

    def work(self):
        repository = RepositoryFactory(team=self.team)
        for weeks_ago, hours in ((0, 4), (0, 6), (1, 10)):
            merged(repository, weeks_ago, hours)
        recompute(self.team.pk)
        pull = PullRequestFactory(repository=repository)
        for number in range(5):
            self.insight(f"repository:{number}", MONDAY.date(), pull)

    def insight(self, subject, day, pull=None, effect=0.5):
        """Write an insight as the rules do."""
        return Insight.objects.create(
            team=self.team,
            date=day,
            rule="review-wait",
            subject=subject,
            title=f"First reviews in acme/{subject.replace(':', '-')} take 37 h, up from 12 h.",
            body="Two of five reviewers give 71 % of the reviews.",
            advice="Spread the requests.",
            evidence={"pull_requests": [pull.pk]} if pull else {},
            effect=effect,
        )

    def run(self):
        started, _ = engine.start(
            "onboarding",
            subject=f"team:{self.team.pk}",
            params={"team_id": self.team.pk},
            send=False,
        )
        return started


def _welcome(world):
    notifications.send_welcome_email(world.owner, world.team)
    unseen = User.objects.create_user("new@acme.example")
    notifications.send_welcome_email(unseen, world.team, by_operator=True)


def _complete(world):
    world.work()
    totals = totals_of(world.team.pk, None) | {"pull_requests": 2054, "repositories": 6}
    notifications.send_sync_complete_email(world.run(), world.owner, totals, MISSING)


def _failed(world):
    run = world.run()
    run.error = "GitHub does not accept the token."
    notifications.send_onboarding_failed_email(run, run.error)


def _refresh_began(world):
    run = world.run()
    notifications.send_refresh_fails_email(run, _refresh_failure(run, world.team))


def _refresh_ended(world):
    run = world.run()
    notifications.send_refresh_works_email(run, _refresh_failure(run, world.team))


def _refresh_failure(run, team):
    return RefreshFailure.objects.across_teams().create(
        team=team,
        run=run,
        cause="token_refused",
        remedy="new_token",
        reason="GitHub does not accept the token.",
        began_at=timezone.now(),
    )


def _digest(world):
    world.work()
    digest.queue(world.team, NOW)


def _invitation(world):
    invitations.invite(world.team, world.owner, "new@example.com", "member")


def _join_request(world):
    joining.add_domain(world.team, world.owner, "acme.example")
    joining.ask(world.team, person("ada@acme.example"))


def _join_approved(world):
    joining.add_domain(world.team, world.owner, "acme.example")
    request = joining.ask(world.team, person("ada@acme.example"))
    joining.approve(world.team, world.owner, request.pk)


def _recovery_link(world):
    other = person("second@acme.example")
    world.team.memberships.create(user=other, role="owner")
    recovery.make_link(world.owner)


def _user_signed_up(world):
    handle_user_signed_up(HttpRequest(), world.owner)


def _error(world):
    record = logging.LogRecord(
        "apps.x", logging.ERROR, __file__, 1, "It broke: %s", ("https://a.example/?x",), None
    )
    report = operator_mail._Report(
        3, operator_mail._text(record), operator_mail._subject(record)
    )
    operator_mail.queue_email("kind", report)


CAUSES = {
    "welcome": _welcome,
    "complete": _complete,
    "failed": _failed,
    "refresh_began": _refresh_began,
    "refresh_ended": _refresh_ended,
    "digest": _digest,
    "invitation": _invitation,
    "join_request": _join_request,
    "join_approved": _join_approved,
    "recovery_link": _recovery_link,
    "user_signed_up": _user_signed_up,
    "error": _error,
}
ACCOUNT_KINDS = {prefix.rpartition("/")[2]: prefix for prefix in PREFIXES}
ALL_KINDS = sorted({*CAUSES, *ACCOUNT_KINDS})


def queue(kind):
    """Cause one kind of email and return its messages."""
    if kind in ACCOUNT_KINDS:
        send_account_email(ACCOUNT_KINDS[kind])
    else:
        CAUSES[kind](World())
    return [
        each for each in OutboxMessage.objects.all() if each.headers.get(KIND_HEADER) == kind
    ]
