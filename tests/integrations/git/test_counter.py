"""The landings of histories of many shapes, found by the product and by a second
counter.
"""

import random

import pytest

from tests.integrations.git.conftest import START
from tests.integrations.git.counter import Counter, differences, read_product

PEOPLE = ["Ann", "Ben", "Cem", "Dia"]
MERGES = [
    "Merge pull request #{n} from acme/{branch}\n\nTitle {n}",
    "Merge branch '{branch}' into 'main'\n\nTitle\n\nSee merge request acme/app!{n}",
    "Merge branch '{branch}'",
    "Merged in {branch} (pull request #{n})\n\nTitle {n}",
    'Merge "Title {n}"\n\nReviewed-on: https://r.example.com/c/api/+/{n}',
    "Take over the work",
]
SQUASHES = [
    "Title (#{n})",
    "Title (!{n})",
    "Title (acme/lib#{n})",
    "Title\n\nChange-Id: I" + "a" * 40,
    "Title\n\nDifferential Revision: https://p.example.com/D{n}",
    "Merged PR {n}: Title",
]
PULLS = [
    "Merge branch 'main' of github.com:acme/app",
    "Merge remote-tracking branch 'origin/main'",
    "Merge branch 'main' into topic",
]
SYNCS = [*PULLS, "Sync with main", "Merge commit 'abc1234' into topic"]


class Story:
    """Makes a history step by step, in the format of `git fast-import`."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.lines = ["blob", "mark :1000000", "data 2", "x", ""]
        self.marks = 0
        self.number = 100
        self.hour = 0
        self.main = self.commit("Begin", [])
        self.develop = None
        self.lib = None
        self.past = [self.main]
        self.open = []  # tips of topics that were merged once

    def commit(self, message, parents):
        """Write a commit; return its mark."""
        self.marks += 1
        self.number += 1
        self.hour += self.chance.randrange(5)
        name = self.chance.choice(PEOPLE)
        who = f"{name} <{name}@example.com> {START + self.hour * 3600} +0000"
        text = message.format(n=self.number, branch=f"topic-{self.number}")
        self.lines += [f"commit refs/tmp/{self.marks}", f"mark :{self.marks}"]
        self.lines += [f"committer {who}", "data <<E", text, "E"]
        if parents:
            self.lines += [f"from :{parents[0]}", *(f"merge :{one}" for one in parents[1:])]
        self.lines += [f"M 644 :1000000 f{self.marks}", ""]
        return self.marks

    def pick(self, messages):
        return self.chance.choice(messages)

    def topic(self, start, most=3):
        """Write a branch of some commits, perhaps with a commit that names an issue."""
        tip = start
        for _ in range(self.chance.randint(1, most)):
            tip = self.commit(self.pick(["Work", "Work", "Fix it (#{n})"]), [tip])
        return tip

    def step(self):
        steps = [
            self.push,
            self.squash,
            self.merge,
            self.merge,
            self.merge_with_sync,
            self.stack,
            self.pull,
            self.pull_own_work,
            self.take_over,
            self.octopus,
            self.fork,
            self.epic,
            self.work_on_develop,
            self.work_on_develop,
            self.release,
            self.add_project,
            self.reuse,
            self.kept_branch,
        ]
        self.chance.choice(steps)()
        self.past.append(self.main)

    def recent(self):
        return self.chance.choice(self.past[-4:])

    def push(self):
        self.main = self.commit("Push", [self.main])

    def squash(self):
        self.main = self.commit(self.pick(SQUASHES), [self.main])

    def merge(self):
        topic = self.topic(self.recent())
        self.open.append(topic)
        self.main = self.commit(self.pick(MERGES), [self.main, topic])

    def merge_with_sync(self):
        topic = self.topic(self.recent())
        topic = self.commit(self.pick(SYNCS), [topic, self.main])
        self.main = self.commit(self.pick(MERGES), [self.main, self.topic(topic)])

    def stack(self):
        base = self.topic(self.recent())
        upper = self.topic(base)
        for tip in (base, upper):
            self.main = self.commit(self.pick(MERGES), [self.main, tip])

    def reuse(self):
        """Merge a topic a second time."""
        if self.open:
            topic = self.topic(self.open.pop())
            self.main = self.commit(self.pick(MERGES), [self.main, topic])

    def pull(self):
        """Commit to a local trunk while others land on it, and pull."""
        mine = self.topic(self.main, most=2)
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice([self.push, self.squash, self.merge])()
        self.main = self.commit(self.pick(PULLS), [mine, self.main])

    def pull_own_work(self):
        """Commit to a local trunk, have that merged as a pull request, go on, and pull."""
        first = self.commit("Mine", [self.main])
        self.main = self.commit(MERGES[0], [self.main, first])
        if self.chance.random() < 0.5:
            self.push()
        second = self.commit("Mine too", [first])
        self.main = self.commit(self.pick(SYNCS), [second, self.main])

    def take_over(self):
        """Merge the trunk into a topic, and make that the trunk."""
        topic = self.commit("Mine", [self.main])
        self.main = self.commit("Title (#{n})", [self.main])
        self.main = self.commit(self.pick(SYNCS), [topic, self.main])

    def octopus(self):
        tips = [self.topic(self.recent()) for _ in range(3)]
        self.main = self.commit("Merge branches 'a', 'b' and 'c'", [self.main, *tips])

    def fork(self):
        """Merge a fork's trunk by hand, after a pull request."""
        theirs = self.topic(self.main)
        topic = self.topic(self.main)
        self.main = self.commit(MERGES[0], [self.main, topic])
        message = "Merge branch 'main' of https://github.com/eve/app"
        self.main = self.commit(message, [self.main, theirs])

    def epic(self):
        """Land pull requests on a branch, and that by one of its own."""
        epic = self.topic(self.recent())
        for _ in range(2):
            epic = self.commit(MERGES[0], [epic, self.topic(epic)])
        self.main = self.commit(self.pick(MERGES[:3]), [self.main, epic])

    def kept_branch(self):
        """Merge a branch with a name that is kept, of direct commits only."""
        kept = self.topic(self.main)
        message = self.pick(
            [
                "Merge branch 'release/1.0'",
                "Merge branch 'dev'",
                "Merge branch 'stage' into main",
            ]
        )
        self.main = self.commit(message, [self.main, kept])

    def work_on_develop(self):
        develop = self.develop or self.main
        for _ in range(self.chance.randint(1, 3)):
            way = self.chance.randrange(4)
            if way == 0:
                develop = self.commit("Push to develop", [develop])
            elif way == 1:
                develop = self.commit("Title (#{n})", [develop])
            elif way == 2:
                topic = self.topic(develop)
                develop = self.commit("Merge branch '{branch}' into develop", [develop, topic])
            else:
                develop = self.commit(MERGES[0], [develop, self.topic(develop)])
        self.develop = develop

    def release(self):
        if self.develop is None:
            return
        message = self.pick(
            ["Merge branch 'develop' into main", "Merge branch 'develop'", "Release"]
        )
        self.main = self.commit(message, [self.main, self.develop])
        way = self.chance.randrange(3)
        if way == 0:
            self.develop = self.main
        elif way == 1:
            self.develop = self.commit(
                "Merge branch 'main' into develop", [self.develop, self.main]
            )

    def add_project(self):
        """Merge another project's history, perhaps once more."""
        self.lib = self.commit("Theirs", [self.lib] if self.lib else [])
        message = self.pick(
            ["Merge remote-tracking branch 'lib/main'", "Add 'lib/' from commit 'abc1234'"]
        )
        self.main = self.commit(message, [self.main, self.lib])

    def text(self):
        return "\n".join([*self.lines, "reset refs/heads/main", f"from :{self.main}", "", ""])


@pytest.mark.parametrize("seed", [1, 8, 11, 139, 163, 223, 256])
def test_product_and_counter_find_the_same_landings(repo, seed):
    story = Story(seed)
    for _ in range(12):
        story.step()
    repo.git("fast-import", "--quiet", given=story.text().encode())
    trunk, product = read_product(repo.path)
    assert trunk == "main"
    assert differences(product, Counter(repo.path, trunk).landings()) == []
    assert len(product) > 10
