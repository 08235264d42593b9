"""Random changes at GitHub and in a clone, by kind.

    world = World(sandbox, builder, random.Random(7), counts)
    name = world.change(hidden=False)      # makes one change, returns its kind, and counts it

The changes of clones are those of `git_histories`, each once in a sequence. A hidden
change is one of which the lists and counts of GitHub give no sign: `refresh --verify`
finds it. The others must be there after one refresh. FAULTS has the kinds of change by
the fault of a refresh that each one would uncover.
"""

import subprocess
from datetime import timedelta

from django.utils import timezone

from apps.sandbox.refusals import REFUSALS
from tests.integrations import git_histories
from tests.sandbox.conftest import record

NAMES = ("octo/hello", "octo/world")
PEOPLE = ("ann", "cleo", "dan", "fay", "renovate[bot]", "k8s-ci-robot")
# How many days before today a team's first day may lie. The last one is before
# everything.
WINDOWS = (120, 400, 18_000)
# So many are open before the first read.
OPEN_AT_FIRST = 6
REVIEW = {"state": "APPROVED", "submittedAt": "2026-03-30T10:00:00Z"}


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class World:
    """What GitHub and the clone have, as this side knows it."""

    def __init__(self, sandbox, builder, dice, counts):
        self.sandbox, self.builder, self.dice = sandbox, builder, dice
        # How often each kind of change was made, in all sequences.
        self.counts = counts
        # By their names at first: the name of today and the pull requests that were
        # put, by number.
        self.names = {name: name for name in NAMES}
        self.put: dict[str, dict[int, dict]] = {name: {} for name in NAMES}
        self.logins = list(PEOPLE)
        self.number = 100
        self.formats = "next"
        self.histories = dict(git_histories.CHANGES)
        # Webhooks that GitHub has not delivered yet: events with their payloads.
        self.announced: list[tuple[str, dict]] = []
        # What webhooks know already and the API does not: what is to be put there.
        self.ahead: list[tuple[str, int, dict]] = []
        self.faults: list[dict] = []
        self.first_day = self.day_before(dice.choice(WINDOWS))
        for _ in range(OPEN_AT_FIRST):
            opened(self)

    def change(self, *, hidden=False):
        """Make one change of a random kind, rather of one that was rare. Returns its
        name; None if it can't be had now.

        What can't be had is a change to something that isn't there yet.
        """
        kinds = {**SHOWN, **HIDDEN} if hidden else SHOWN
        histories = {f"clone {name}": name for name in self.histories}
        names = self.dice.sample([*kinds, *histories], 12)
        name = min(names, key=lambda name: self.counts[name])
        made = self.change_clone(histories[name]) if name in histories else kinds[name](self)
        if made is False:
            return None
        self.counts[name] += 1
        return name

    def change_clone(self, name):
        """Make a change of `git_histories`; False if it does not fit the history that
        earlier ones made.
        """
        change = self.histories.pop(name)
        try:
            change(self.builder)
        except subprocess.CalledProcessError:
            self.builder.git("reset", "--quiet", "--hard")
            return False
        return True

    # What is in the world

    def some(self):
        """Return one of the repositories by its first name."""
        return self.dice.choice(NAMES)

    def mine(self, repository, **wanted):
        """Return the numbers of pull requests put here that have these values."""
        rows = self.put[repository].items()
        return [
            number
            for number, row in rows
            if all(row.get(key) == value for key, value in wanted.items())
        ]

    def still_open(self, repository):
        """Return the numbers of open pull requests, without those whose merge was
        announced.
        """
        merged = {number for name, number, _ in self.ahead if name == repository}
        return [
            number for number in self.mine(repository, state="OPEN") if number not in merged
        ]

    def write(self, repository, number, **changes):
        """Put a pull request of a repository, with what it had before."""
        row = self.put[repository].get(number, {}) | changes
        self.put[repository][number] = row
        self.sandbox.put(record(number, repository=self.names[repository], **row))
        if self.dice.random() < 0.5:
            self.announce(self.names[repository], number)

    def announce(self, name, number):
        """Keep what a webhook has of a pull request now."""
        headers = {"Authorization": "Bearer of any shape"}
        repository, pull = (
            self.sandbox.http.get(path, headers=headers).json()
            for path in (f"/repos/{name}", f"/repos/{name}/pulls/{number}")
        )
        self.announced.append(
            (
                "pull_request",
                {"action": "edited", "repository": repository, "pull_request": pull},
            )
        )

    def catch_up(self):
        """Let the API know what webhooks knew already."""
        for repository, number, changes in self.ahead:
            row = self.put[repository].get(number)
            if row is not None:
                self.write(
                    repository,
                    number,
                    **changes | {"updatedAt": max(row["updatedAt"], changes["updatedAt"])},
                )
        self.ahead = []

    def deliveries(self):
        """Return what GitHub delivers now, in any order: some are lost, some come
        twice, some come later.
        """
        later, now = [], []
        for delivery in self.announced:
            fate = self.dice.choice(("once", "once", "twice", "later", "lost"))
            self.counts[f"delivered {fate}"] += 1
            now += [delivery] * {"once": 1, "twice": 2}.get(fate, 0)
            later += [delivery] if fate == "later" else []
        self.announced = later
        self.dice.shuffle(now)
        return now

    def go_wrong(self, fault):
        """Let requests of the coming night fail in another way, too."""
        self.faults.append(fault)

    def begin_night(self):
        self.sandbox.faults(*self.faults)

    def recover(self):
        self.faults = []
        self.sandbox.faults()

    def just_now(self):
        return stamp(timezone.now())

    def day_before(self, days):
        return (timezone.now() - timedelta(days=days)).date()

    def before(self):
        """Return a moment within the last ten days."""
        return timezone.now() - timedelta(seconds=self.dice.randrange(60, 864_000))


def opened(world):
    repository, at = world.some(), world.before()
    world.number += 1
    author = {"login": world.dice.choice(world.logins)}
    now = world.just_now()
    world.write(
        repository,
        world.number,
        state="OPEN",
        mergedAt=None,
        createdAt=stamp(at),
        updatedAt=now,
        author=author,
    )


def ended(world, state, **changes):
    repository = world.some()
    numbers = world.still_open(repository)
    if not numbers:
        return False
    now = world.just_now()
    ends = {"mergedAt": now} if state == "MERGED" else {"closedAt": now}
    world.write(
        repository, world.dice.choice(numbers), state=state, updatedAt=now, **ends, **changes
    )


def merged(world):
    return ended(world, "MERGED")


def closed(world):
    return ended(world, "CLOSED")


def closed_by_a_landing_bot(world):
    return ended(world, "CLOSED", labels=["Merged"])


def merged_in_the_same_second(world):
    """Merge one in the second of its last change, which a night may have read before."""
    repository = world.some()
    numbers = world.still_open(repository)
    numbers = [
        number
        for number in numbers
        if world.put[repository][number]["updatedAt"] <= world.just_now()
    ]
    if not numbers:
        return False
    number = world.dice.choice(numbers)
    second = world.put[repository][number]["updatedAt"]
    world.write(repository, number, state="MERGED", mergedAt=second, updatedAt=second)


def merged_ahead_of_the_api(world):
    """Announce that one is merged, before the API has it."""
    repository, now = world.some(), world.just_now()
    numbers = world.still_open(repository)
    if not numbers:
        return False
    number = world.dice.choice(numbers)
    world.announce(world.names[repository], number)
    _, payload = world.announced[-1]
    payload["pull_request"] |= {
        "state": "closed",
        "merged": True,
        "merged_at": now,
        "closed_at": now,
        "updated_at": now,
    }
    world.ahead.append(
        (repository, number, {"state": "MERGED", "mergedAt": now, "updatedAt": now})
    )


def widened(world):
    """Have the team set up again, over a longer time."""
    world.first_day = min(world.first_day, world.day_before(world.dice.choice(WINDOWS)))


def vanishes_for_a_night(world):
    """Take a repository away before a page of a night, as a token's rights do; a
    webhook reports it as deleted.
    """
    name = world.names[world.some()]
    repository = world.sandbox.http.get(
        f"/repos/{name}", headers={"Authorization": "Bearer of any shape"}
    ).json()
    world.announced.append(("repository", {"action": "deleted", "repository": repository}))
    error = {
        "type": "NOT_FOUND",
        "path": ["repository"],
        "message": f"Could not resolve to a Repository '{name}'.",
    }
    world.go_wrong(
        {"match": {"repository": name}, "after": world.dice.randrange(3), "errors": [error]}
    )


def refused_for_a_night(world):
    name = world.names[world.some()]
    refusal = world.dice.choice(sorted(REFUSALS))
    world.go_wrong(
        {"match": {"repository": name}, "after": world.dice.randrange(3), "refusal": refusal}
    )


def nodes_are_gone_once(world):
    world.go_wrong({"times": 1, "match": {"operation": "Detail"}, "gone_nodes": "silent"})


def large_push(world):
    """Announce a push of five megabytes."""
    world.announced.append(
        ("push", {"ref": "refs/heads/main", "commits": [{"message": "x" * 5_000_000}]})
    )


def reviewed(world):
    repository = world.some()
    numbers = world.mine(repository)
    if not numbers:
        return False
    review = {
        **REVIEW,
        "author": {"login": world.dice.choice(world.logins)},
        "submittedAt": world.just_now(),
    }
    world.write(
        repository, world.dice.choice(numbers), reviews=[review], updatedAt=world.just_now()
    )


def reverted(world):
    repository = world.some()
    world.number += 1
    title = world.dice.choice(
        ['Revert "Change 1"', 'Revert "Revert "Change 1""', 'Reapply "Change 1"']
    )
    now = world.just_now()
    world.write(
        repository, world.number, title=title, createdAt=now, updatedAt=now, mergedAt=now
    )


def released(world):
    repository, now = world.some(), world.just_now()
    world.number += 1
    world.write(
        repository,
        world.number,
        headRefName="develop",
        baseRefName="main",
        createdAt=now,
        updatedAt=now,
        mergedAt=now,
    )


def clock_ahead(world):
    """Change one at a moment that has not come yet: the watermark must not follow it."""
    repository = world.some()
    world.number += 1
    ahead = stamp(timezone.now() + timedelta(days=world.dice.choice([1, 4, 26_000])))
    world.write(
        repository,
        world.number,
        createdAt=world.just_now(),
        updatedAt=ahead,
        mergedAt=None,
        state="OPEN",
    )


def other_ids(world):
    world.formats = "legacy" if world.formats == "next" else "next"
    world.sandbox.change("ids", format=world.formats)


def renamed(world):
    repository = world.some()
    world.number += 1
    new = f"octo/renamed-{world.number}"
    world.sandbox.rename(world.names[repository], new)
    world.names[repository] = new


def taken_over(world):
    """Rename a repository, and let another one with the same numbers take its name."""
    repository = world.some()
    old = world.names[repository]
    if renamed_to(world, repository) == old:
        return False
    world.sandbox.change("create", name=old)
    now = world.just_now()
    world.sandbox.put(
        record(1, repository=old, title="Of another", createdAt=now, updatedAt=now)
    )


def renamed_to(world, repository):
    world.number += 1
    new = f"octo/moved-{world.number}"
    world.sandbox.rename(world.names[repository], new)
    world.names[repository] = new
    return new


def exchanged(world):
    first, second = (world.names[name] for name in NAMES)
    world.sandbox.rename(first, "octo/aside")
    world.sandbox.rename(second, first)
    world.sandbox.rename("octo/aside", second)
    world.names = dict(zip(NAMES, (second, first), strict=True))


def deleted(world):
    """Delete one: the counts are lower then."""
    repository = world.some()
    numbers = world.mine(repository)
    if not numbers:
        return False
    number = world.dice.choice(numbers)
    del world.put[repository][number]
    world.sandbox.change("delete", repository=world.names[repository], numbers=[number])


def old_one_ended(world):
    """End one that was opened before the window."""
    repository, now = world.some(), world.just_now()
    world.number += 1
    old = stamp(timezone.now() - timedelta(days=700))
    world.write(repository, world.number, createdAt=old, updatedAt=now, mergedAt=now)


def details_fail_once(world):
    world.go_wrong({"times": 1, "match": {"operation": "Detail"}, "status": 502})


def nodes_are_null_once(world):
    world.go_wrong({"times": 1, "match": {"operation": "Detail"}, "null_nodes": True})


def cursor_is_refused_once(world):
    error = {
        "type": "INVALID_CURSOR_ARGUMENTS",
        "message": "`x` does not appear to be a valid cursor.",
    }
    world.go_wrong({"times": 1, "errors": [error]})


def review_without_sign(world):
    repository = world.some()
    number = world.dice.choice([*world.mine(repository), 1, 2, 3])
    world.write(repository, number, reviews=[{**REVIEW, "author": {"login": "eve"}}])


def title_without_sign(world):
    world.write(world.some(), world.dice.choice([1, 2, 3]), title="Renamed without a sign")


def imported(world):
    """Put one that was opened and merged long ago: an import from elsewhere."""
    repository, at = (
        world.some(),
        stamp(timezone.now() - timedelta(days=world.dice.randrange(30, 300))),
    )
    world.number += 1
    world.write(repository, world.number, createdAt=at, updatedAt=at, mergedAt=at)


def login_changed(world):
    """Give an account another login."""
    old = world.dice.choice([login for login in world.logins if "bot" not in login])
    world.number += 1
    new = f"{old.partition('-')[0]}-{world.number}"
    world.sandbox.change("account", **{"from": old, "to": new})
    world.logins[world.logins.index(old)] = new
    for rows in world.put.values():
        for row in rows.values():
            follow(row.get("author"), old, new)
            for review in row.get("reviews", []):
                follow(review.get("author"), old, new)


def follow(author, old, new):
    if author and author["login"] == old:
        author["login"] = new


def login_taken_over(world):
    """Give an account another login, and the login to another account."""
    login_changed(world)
    free = world.dice.choice(
        [login for login in PEOPLE if login not in world.logins] or ["gus"]
    )
    world.logins.append(free)


def account_deleted(world):
    logins = [login for login in world.logins if "bot" not in login]
    if len(logins) < 3:
        return False
    login = world.dice.choice(logins)
    world.sandbox.change("account", **{"from": login, "to": None})
    world.logins.remove(login)
    for rows in world.put.values():
        for row in rows.values():
            if (row.get("author") or {}).get("login") == login:
                row["author"] = None
            for review in row.get("reviews", []):
                if (review.get("author") or {}).get("login") == login:
                    review["author"] = None


def _by_name(*changes):
    return {change.__name__: change for change in changes}


SHOWN = {
    **_by_name(
        opened,
        merged,
        merged_in_the_same_second,
        merged_ahead_of_the_api,
        closed,
        closed_by_a_landing_bot,
    ),
    **_by_name(
        reviewed,
        reverted,
        released,
        clock_ahead,
        other_ids,
        renamed,
        taken_over,
        exchanged,
        deleted,
    ),
    **_by_name(
        old_one_ended, widened, details_fail_once, nodes_are_null_once, nodes_are_gone_once
    ),
    **_by_name(cursor_is_refused_once, vanishes_for_a_night, refused_for_a_night, large_push),
}
HIDDEN = _by_name(
    review_without_sign,
    title_without_sign,
    imported,
    login_changed,
    login_taken_over,
    account_deleted,
)
# All kinds, as they are counted.
KINDS = (
    *(*SHOWN, *HIDDEN, *(f"clone {name}" for name in git_histories.CHANGES)),
    *("killed", "delivered once", "delivered twice", "delivered later", "delivered lost"),
)
# The faults that a refresh could have, each with the changes that would uncover it.
FAULTS = {
    "the watermark follows a clock ahead": ("clock_ahead",),
    "ids in another format are others": ("other_ids",),
    "a name is the identity": ("renamed", "taken_over", "exchanged"),
    "a second is read once": ("merged_in_the_same_second",),
    "only changed ones are compared": ("review_without_sign", "title_without_sign", "deleted"),
    "older ones are not read": ("old_one_ended", "widened", "imported"),
    "a night has a window of its own": ("widened",),
    "what is gone stays": ("deleted", "nodes_are_gone_once"),
    "what can't be read stops the rest": ("details_fail_once", "nodes_are_null_once"),
    "a refused cursor stays": ("cursor_is_refused_once",),
    "a webhook ahead is final": ("merged_ahead_of_the_api",),
    "accounts are logins": ("login_changed", "login_taken_over", "account_deleted"),
    "a repository away loses its rows": ("vanishes_for_a_night",),
    "a report of a deletion is final": ("vanishes_for_a_night",),
    "a refusal is final": ("refused_for_a_night",),
    "a large push is refused": ("large_push",),
    "bots are told by their type": ("clone aliases",),
    "what a landing bot closes is not named": ("closed_by_a_landing_bot",),
    "each revert is one": ("reverted",),
    "releases count": ("released", "clone released"),
    "rewritten history counts twice": ("clone amended", "clone dropped", "clone reset"),
    "other histories count": ("clone imported", "clone undated"),
    "landings are told by words": ("clone foxtrot",),
    "other forges have no pull requests": ("clone forges",),
    "generated files count": ("clone attributes",),
    "each address is a person": ("clone aliases", "clone mailmap"),
}
