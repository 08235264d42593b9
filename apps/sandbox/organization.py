"""A made-up organization, `acme`: about 3,000 pull requests of a year. It is the same
for the same seed and last day.
"""

import random
from datetime import UTC, date, datetime, timedelta

from .calendars import DAY, WEEK, working_moment
from .history import Historian
from .people import (
    BOTS,
    BY_LOGIN,
    COPILOT_AGENT,
    DEPENDABOT,
    DEVIN,
    ORGANIZATION,
    PEOPLE,
    VIEWER,
)
from .plans import EMPTY, PLANS, Plan
from .story import Opening
from .world import Repository, World

WEEKS = 52


def generate(seed: int, last_day: date) -> World:
    """Return the organization as it is when `last_day` begins (UTC), without anything
    later.
    """
    now = int(datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC).timestamp())
    repositories = [
        _repository(plan, random.Random(f"{seed}:{plan.name}"), now) for plan in PLANS
    ]
    name, description = EMPTY
    repositories.append(
        Repository(f"{ORGANIZATION.login}/{name}", ORGANIZATION, description=description)
    )
    people = [person.actor for person in PEOPLE]
    return World(
        VIEWER, repositories, [*(actor for actor in people if actor is not None), *BOTS]
    )


def _repository(plan: Plan, rng: random.Random, now: int) -> Repository:
    historian = Historian(plan, ORGANIZATION.login, rng, now)
    openings = sorted(_openings(plan, historian, rng, now), key=lambda opening: opening.moment)
    number = rng.randint(200, 2400)
    pull_requests = {}
    for position, opening in enumerate(openings):
        number += rng.choice((1, 1, 1, 2, 3))  # issues take numbers, too
        pull_requests[number] = historian.write(position, number, opening)
    return Repository(
        historian.name,
        ORGANIZATION,
        pull_requests,
        description=plan.description,
        is_private=plan.is_private,
        is_archived=plan.ends > 0,
        language=plan.language,
        stargazer_count=rng.randint(0, 40),
        fork_count=0 if plan.is_private else rng.randint(1, 9),
    )


def _openings(plan: Plan, historian: Historian, rng: random.Random, now: int) -> list[Opening]:
    """Return who opens a pull request when, week by week, with quiet weeks around the
    New Year.
    """
    monday = now - now % DAY - datetime.fromtimestamp(now, UTC).weekday() * DAY
    team = list(plan.team)
    weights = [plan.team[login] * BY_LOGIN[login].pace for login in team]
    openings = []
    for back in range(WEEKS, plan.ends - 1, -1):
        week = monday - back * WEEK
        expected = plan.weekly * _season(week) * rng.uniform(0.75, 1.25)
        count = int(expected) + (rng.random() < expected % 1)
        for login in rng.choices(team, weights, k=count):
            moment = working_moment(week, BY_LOGIN[login], rng)
            draw, bot = rng.random(), None
            if draw < plan.bots:
                bot = DEPENDABOT
            elif draw < plan.bots + historian.ai_share(moment) * 0.16:
                bot = rng.choice((DEVIN, COPILOT_AGENT))
            if now - WEEKS * WEEK <= moment < now:
                openings.append(Opening(moment, BY_LOGIN[login], bot))
    return openings


def _season(week: int) -> float:
    """Return how busy a week is compared with the usual one."""
    days = [datetime.fromtimestamp(week, UTC) + timedelta(days=day) for day in range(7)]
    if any((day.month, day.day) in ((12, 25), (1, 1)) for day in days):
        return 0.25
    return 0.8 if days[0].month in (7, 8) else 1.0
