"""The clocks' rows of the fault table: the clock of this machine is wrong, or that of
GitHub, or what it says of it.
"""

from tests.faults.table import Most, Row

PAGE = Most(seconds=10, requests=0, lines=0)
DONE, WAITING = "done", "waiting"
# Seconds that GitHub asks to wait, in rows that end so.
RESET_IN = 900
LIMIT = {"rate_limit": "primary", "reset_in": RESET_IN}
HOUR, DAY = 3600, 86_400


def row(name, ends, outcome, requests=24, seconds=40, fault=None, **how):
    """Return a row. `how` has `clock`, the offset of a worker's clock for libfaketime,
    or what the neighbor forwards by.
    """
    # With an odd clock, a thread's first sleep can fail in libfaketime, which costs ten
    # lines.
    most = Most(seconds, requests, 16 if how.get("clock") else 4)
    return Row(name, outcome, most, most, PAGE, ends, how=how, fault=fault)


ROWS = [
    # The worker's clock, by libfaketime: "+3600" is an hour ahead.
    row("right", DONE, "", clock="+0"),
    row("an_hour_ahead", DONE, "", clock="+3600"),
    row("an_hour_behind", DONE, "", clock="-3600"),
    row("a_day_ahead", DONE, "", clock="+86400"),
    row("a_day_behind", DONE, "", clock="-86400"),
    row("ten_minutes_ahead_and_limited", WAITING, "rate_limit", 3, fault=LIMIT, clock="+600"),
    row("an_hour_ahead_and_limited", WAITING, "rate_limit", 3, fault=LIMIT, clock="+3600"),
    row("an_hour_behind_and_limited", WAITING, "rate_limit", 3, fault=LIMIT, clock="-3600"),
    row("runs_double", DONE, "", clock="+0 x2"),
    row("runs_half", DONE, "", seconds=80, clock="+0 x0.5"),
    # GitHub's clock.
    row("github_an_hour_ahead", DONE, "", shift=HOUR),
    row("github_an_hour_behind", DONE, "", shift=-HOUR),
    row("github_a_day_behind", DONE, "", shift=-DAY),
    row("github_an_hour_ahead_and_limited", WAITING, "rate_limit", 3, fault=LIMIT, shift=HOUR),
    row(
        "github_an_hour_behind_and_limited", WAITING, "rate_limit", 3, fault=LIMIT, shift=-HOUR
    ),
    row(
        "github_a_year_behind_and_limited",
        WAITING,
        "rate_limit",
        3,
        fault=LIMIT,
        shift=-365 * DAY,
    ),
    # What it says of it.
    row("no_date", DONE, "", date=""),
    row("no_date_and_limited", WAITING, "rate_limit", 3, fault=LIMIT, date=""),
    row("date_a_word", DONE, "", date="yesterday"),
    row("date_of_5000_digits", DONE, "", date="9" * 5000),
    row("date_without_a_zone", DONE, "", date="Sun, 29 Nov 2026 12:00:00"),
    row("date_of_the_year_0", DONE, "", date="Mon, 01 Jan 0000 00:00:00 GMT"),
    row("date_of_the_year_9999", DONE, "", date="Fri, 31 Dec 9999 23:59:59 GMT"),
    row(
        "date_of_the_year_9999_and_limited",
        WAITING,
        "rate_limit",
        3,
        fault=LIMIT,
        date="Fri, 31 Dec 9999 23:59:59 -1200",
    ),
    row("date_of_a_zone_of_99_hours", DONE, "", date="Sun, 29 Nov 2026 12:00:00 +9999"),
    row(
        "date_of_1970_and_limited",
        WAITING,
        "rate_limit",
        3,
        fault=LIMIT,
        date="Thu, 01 Jan 1970 00:00:00 GMT",
    ),
]
