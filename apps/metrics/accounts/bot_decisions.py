"""Store what admins decide about accounts: whether one is a bot, whatever the rule of
`apps.metrics.ingest.bots` returns.

    decide(member, True, user, now)      # a bot, from now on and in all figures of the past
    decide(member, None, user, now)      # undo: the rule counts again
    suggestions(team_id)                 # accounts that look like bots, for an admin to confirm
    decided(team_id)                     # the decisions that hold
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from apps.metrics.cache import touch
from apps.metrics.figures.weekly import recompute, weeks_of_members
from apps.metrics.ingest.bots import is_bot_account, suspicion
from apps.metrics.models import GHOST_KEY, TeamMember
from apps.users.models import User

MOST_SUGGESTED = 50


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An account that looks like a bot, why, and whether it counts as one until an
    admin decides.
    """

    pk: int
    login: str
    name: str
    is_bot: bool
    reason: str


def decide(member: TeamMember, is_bot: bool | None, by: User, now: datetime) -> None:
    """Keep an admin's decision, and make the weekly figures right. The caller holds the
    transaction.

    Args:
        is_bot: the decision; None takes an earlier one back.
        by: the admin.
        now: when they decided.
    """
    rows = TeamMember.objects.for_team(member.team_id).filter(pk=member.pk)
    if is_bot is None:
        rows.update(
            bot_decision=None, bot_decided_by=None, bot_decided_at=None, is_bot=F("bot_by_rule")
        )
    else:
        rows.update(bot_decision=is_bot, bot_decided_by=by, bot_decided_at=now, is_bot=is_bot)
    recompute(member.team_id, weeks_of_members(member.team_id, [member.pk]))
    touch(member.team_id)


def suggestions(team_id: int) -> list[Suggestion]:
    """Return the accounts that look like bots and about which no admin has decided, by
    login; at most 50.

    Apps, whose logins end in `[bot]`, are bots without doubt and are left out.
    """
    open_ones = (
        TeamMember.objects.for_team(team_id)
        .filter(bot_decision=None, joined_into=None)
        .exclude(key=GHOST_KEY)
    )
    found = []
    for pk, login, name, is_bot in open_ones.order_by("login", "key").values_list(
        "pk", "login", "name", "is_bot"
    ):
        if login.endswith("[bot]") or name.endswith("[bot]"):
            continue
        reason = (
            "its name is that of a bot"
            if is_bot_account(login, name)
            else suspicion(login, name)
        )
        if reason:
            found.append(Suggestion(pk, login, name, is_bot, reason))
    return found[:MOST_SUGGESTED]


def decided(team_id: int) -> list[TeamMember]:
    """Return the members about whom an admin has decided, the newest decision first."""
    rows = TeamMember.objects.for_team(team_id).filter(bot_decision__isnull=False)
    return list(rows.select_related("bot_decided_by").order_by("-bot_decided_at", "key"))
