"""The commits of a generated pull request: most before it is opened, some after its
reviews.
"""

import random

from . import identity, wording
from .calendars import HOUR, skewed, text
from .people import BOT_EMAILS
from .records import Commit, GitActor
from .story import Story


def partition(total: int, parts: int) -> list[int]:
    """Split a total into parts, each smaller than the one before it if the total is
    large enough.
    """
    weights = [1 / (index + 1) for index in range(parts)]
    shares = [int(total * weight / sum(weights)) for weight in weights]
    shares[0] += total - sum(shares)
    return shares


def commits(
    repository: str,
    key: str,
    story: Story,
    size: tuple[int, int, int],
    count: int | None,
    now: int,
    rng: random.Random,
) -> tuple[Commit, ...]:
    """Return one to twelve commits, or `count`.

    `size` is (additions, deletions, files) of the whole pull request.
    """
    asked = sum(state == "CHANGES_REQUESTED" for _, _, state in story.reviews)
    bot = story.opening.bot
    if count is None:
        count = (
            1
            if bot is not None and bot.login == "dependabot"
            else min(12, 1 + asked + int(rng.expovariate(0.55)))
        )
    moments = _moments(story, count, min(asked, count - 1), now, rng)
    additions, deletions = partition(size[0], count), partition(size[1], count)
    linked = rng.random() > 0.02
    result = []
    for index, moment in enumerate(moments):
        message = wording.commit_message(index, story.title, story.subject, rng)
        if story.trailer and (index == 0 or rng.random() < 0.7):
            message = f"{message}\n\n{story.trailer}"
        date = text(moment)
        oid = identity.oid(f"{key}:{index}")
        author = _author(story, date, linked)
        files = max(1, size[2] // count)
        result.append(
            Commit(
                oid,
                message,
                date,
                date,
                author,
                additions[index],
                deletions[index],
                files,
                repository,
            )
        )
    return tuple(result)


def _moments(story: Story, count: int, after: int, now: int, rng: random.Random) -> list[int]:
    """Return sorted times. The last `after` of them are between the first review and
    the end.
    """
    opened = story.opening.moment
    begun = opened - int(skewed(5.0 if count < 100 else 200.0, rng) * HOUR)
    moments = [rng.randint(begun, opened) for _ in range(count - after)]
    if after:
        first = story.reviews[0][0]
        last = max(first, min(story.closed or now, story.last_review))
        moments += [rng.randint(first, last) for _ in range(after)]
    return sorted(moments)


def _author(story: Story, date: str, linked: bool) -> GitActor:
    """Return the author of a commit. Bots, imported and deleted accounts, and unclaimed
    email addresses have a name and an email, but no user.
    """
    bot, person = story.opening.bot, story.opening.person
    if bot is not None:
        return GitActor(f"{bot.login}[bot]", BOT_EMAILS[bot.login], date)
    if not linked:
        return GitActor(person.name, f"{person.login}@laptop.local", date)
    return GitActor(
        person.name, person.email, date, person.actor if person.typename == "User" else None
    )
