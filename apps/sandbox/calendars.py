"""Times of work: seconds since 1970 in UTC, moved into the working hours of a person."""

import random
import time

from .people import Person

HOUR, DAY, WEEK = 3600, 86_400, 604_800
_LENGTH = 9.0
# Monday to Sunday.
_WEEKDAYS = (20, 23, 22, 21, 14, 1, 1)


def text(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def working_moment(week: int, person: Person, rng: random.Random) -> int:
    """Return when this person might open a pull request in the week that begins at
    `week`, a Monday, 0:00 UTC.
    """
    day = rng.choices(range(7), _WEEKDAYS)[0]
    hour = min(23.5, max(0.5, rng.gauss(person.starts + 4.6, 2.4)))
    return int(week + day * DAY + (hour - person.offset) * HOUR + rng.random() * 600)


def next_at_work(moment: float, person: Person, rng: random.Random) -> int:
    """Return the moment itself if it is in working hours, otherwise one soon after the
    person's next start.

    A few moments outside working hours are kept, because people sometimes work late.
    """
    if rng.random() < 0.06:
        return int(moment)
    local = moment + person.offset * HOUR
    day, second = divmod(local, DAY)
    hour = second / HOUR
    if hour > person.starts + _LENGTH:
        day, hour = day + 1, 0.0
    if (weekday := (int(day) + 3) % 7) >= 5:  # 1970 began on a Thursday
        day, hour = day + 7 - weekday, 0.0
    if hour >= person.starts:
        return int(moment)
    begun = rng.expovariate(1 / 1.2)
    return int(day * DAY + (person.starts + min(begun, _LENGTH)) * HOUR - person.offset * HOUR)


def skewed(median: float, rng: random.Random, spread: float = 1.1) -> float:
    """Return a right-skewed duration with the given median, in the median's unit."""
    return median * rng.lognormvariate(0, spread)
