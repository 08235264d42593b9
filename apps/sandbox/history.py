"""The life of one generated pull request: work, opening, reviews, end.

Everything after the end of the history is left out.
"""

import random
import re

from . import identity, marks, texts, wording
from .calendars import HOUR, WEEK, next_at_work, skewed, text
from .commits import commits, partition
from .people import BY_LOGIN, CODERABBIT, COPILOT_AGENT, DEPENDABOT, DEVIN
from .plans import Plan
from .records import ChangedFile, Commit, GitActor, Label, PullRequest, Review, TimelineEvent
from .story import Opening, Story

_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")

_LABELS = {name: Label(name, color) for name, color in texts.LABEL_COLORS.items()}
_BRANCHES = {
    DEPENDABOT.login: "dependabot",
    DEVIN.login: "devin",
    COPILOT_AGENT.login: "copilot",
}
# Pull requests, by their position in the repository, with more commits or reviews than
# fit on one inner page.
_LONG_BRANCHES = {("storefront", 120): 131, ("checkout-api", 90): 240, ("infra", 60): 104}
_LONG_DISCUSSIONS = {("ledger", 150): 64, ("design-system", 40): 57}


class Historian:
    """Writes the pull requests of one repository up to `now`.

    The same plan, `rng` and `now` give the same history.
    """

    def __init__(self, plan: Plan, owner: str, rng: random.Random, now: int) -> None:
        self.plan = plan
        self.name = f"{owner}/{plan.name}"
        self.rng = rng
        self.now = now

    def write(self, position: int, number: int, opening: Opening) -> PullRequest:
        story = self.begin(opening)
        if (self.plan.name, position) in _LONG_BRANCHES:
            story.title, story.body = (
                f"Merge develop into main, release {position}",
                "Everything since the last release.",
            )
        self.review(story, _LONG_DISCUSSIONS.get((self.plan.name, position), 0))
        self.end(story)
        return self.record(story, number, _LONG_BRANCHES.get((self.plan.name, position)))

    def begin(self, opening: Opening) -> Story:
        """Return the story of a new pull request: its subject, and the marks of an
        assistant.
        """
        rng, bot = self.rng, opening.bot
        subject, kind = (
            rng.choice(texts.SUBJECTS[self.plan.name]),
            wording.kind(self.plan.name, rng),
        )
        story = Story(
            opening, kind, subject, wording.title(kind, subject, rng), ready=opening.moment
        )
        if bot is DEPENDABOT:
            story.title, story.body = wording.dependency_bump(rng)
            return story
        story.body = wording.description(self.plan.name, subject, rng)
        if bot is DEVIN:
            story.body = f"{story.body}\n\n{marks.devin_footer(rng)}".strip()
        elif (
            bot is None
            and opening.person.tool
            and rng.random() < self.ai_share(opening.moment) * 1.5
        ):
            story.trailer, footer = marks.of_tool(opening.person.tool, rng)
            story.body = f"{story.body}\n\n{footer}".strip()
        else:
            story.trailer = marks.look_alike(rng)
        if rng.random() < (0.9 if bot is COPILOT_AGENT else 0.12):
            story.starts_as_draft = True
            story.ready = next_at_work(
                opening.moment + skewed(9, rng) * HOUR, opening.person, rng
            )
        return story

    def ai_share(self, moment: int) -> float:
        start, end = self.plan.ai
        age = min(1.0, max(0.0, (self.now - moment) / (52 * WEEK)))
        return start * age + end * (1 - age)

    def review(self, story: Story, discussion: int) -> None:
        """Add the reviews in their order: one reviewer in rounds, and sometimes a
        second one.
        """
        rng, plan = self.rng, self.plan
        if rng.random() < plan.ai_review:
            story.reviews.append((story.ready + rng.randint(90, 400), CODERABBIT, "COMMENTED"))
        if rng.random() > (plan.reviewed if story.opening.bot is not DEPENDABOT else 0.5):
            return
        weights = {
            login: weight
            for login, weight in (plan.reviewers or plan.team).items()
            if login != story.opening.person.login and BY_LOGIN[login].typename == "User"
        }
        reviewer = BY_LOGIN[rng.choices(list(weights), list(weights.values()))[0]]
        wait = plan.review_hours
        if plan.slows and story.ready > self.now - plan.slows[0] * WEEK:
            wait *= plan.slows[1]
        moment = next_at_work(story.ready + skewed(wait, rng) * HOUR, reviewer, rng)
        for index in range(discussion):
            speaker = reviewer.actor if index % 3 else story.author
            story.reviews.append((moment + index * 900, speaker, "COMMENTED"))
        moment += discussion * 900
        for _ in range(4):
            state = rng.choices(("APPROVED", "COMMENTED", "CHANGES_REQUESTED"), (68, 19, 13))[0]
            story.reviews.append((moment, reviewer.actor, state))
            if state == "APPROVED":
                break
            if rng.random() < 0.2:
                story.reviews.append(
                    (moment + rng.randint(600, 9000), story.author, "COMMENTED")
                )
            moment = next_at_work(
                moment + max(3.0, skewed(plan.review_hours, rng)) * HOUR, reviewer, rng
            )
        if rng.random() < 0.22 and len(weights) > 1:
            second = BY_LOGIN[
                rng.choice([login for login in weights if login != reviewer.login])
            ]
            state = rng.choice(("APPROVED", "APPROVED", "COMMENTED", "DISMISSED"))
            late = next_at_work(moment + skewed(2, rng) * HOUR, second, rng)
            story.reviews.append((late, second.actor, state))
        story.reviews.sort(key=lambda review: review[0])

    def end(self, story: Story) -> None:
        """Merge the pull request, close it, or leave it open. Nothing of that may be
        after `now`.
        """
        rng, person = self.rng, story.opening.person
        fate = rng.random()
        if story.last_review >= self.now:  # still under way
            story.reviews = [review for review in story.reviews if review[0] < self.now]
            return
        if fate < 0.025:
            if rng.random() < 0.45 and story.last_review + HOUR < self.now:
                story.shelved = story.last_review + HOUR
            return
        if fate < (0.17 if story.opening.bot is DEPENDABOT else 0.075):
            closed = next_at_work(story.last_review + skewed(30, rng) * HOUR, person, rng)
            if closed < self.now:
                story.closed = closed
            return
        merged = next_at_work(
            story.last_review + skewed(self.plan.merge_hours, rng) * HOUR + 120, person, rng
        )
        if merged < self.now:
            story.merged = story.closed = merged
            people = [reviewer for _, reviewer, state in story.reviews if state == "APPROVED"]
            story.merged_by = (
                rng.choice(people) if people and rng.random() < 0.25 else person.actor
            )

    def record(self, story: Story, number: int, commit_count: int | None) -> PullRequest:
        rng, moment = self.rng, story.opening.moment
        key = f"{self.name}#{number}"
        lines = max(1, int(skewed(self.plan.lines, rng, 1.3)))
        deletions = int(lines * rng.betavariate(1.4, 3.2))
        additions = lines - deletions
        files = self.files(additions, deletions)
        branch = commits(
            self.name,
            key,
            story,
            (additions, deletions, len(files)),
            commit_count,
            self.now,
            rng,
        )
        reviews = tuple(
            Review(identity.node_id("PRR", f"{key}:{index}"), actor, state, text(at))
            for index, (at, actor, state) in enumerate(story.reviews)
        )
        ready = story.ready if story.ready < self.now else 0
        last = max(
            moment,
            ready,
            story.closed or 0,
            story.shelved or 0,
            *(at for at, _, _ in story.reviews),
            0,
        )
        late = [commit.committed_date for commit in branch[-1:]]
        return PullRequest(
            repository_name=self.name,
            number=number,
            title=story.title,
            state="MERGED" if story.merged else "CLOSED" if story.closed else "OPEN",
            created_at=text(moment),
            updated_at=max(text(last), *late),
            body=story.body,
            is_draft=story.shelved is not None
            or (story.starts_as_draft and story.ready >= self.now),
            merged_at=text(story.merged) if story.merged else None,
            closed_at=text(story.closed) if story.closed else None,
            additions=additions,
            deletions=deletions,
            changed_files=len(files),
            author=story.author,
            merged_by=story.merged_by,
            merge_commit=self.merge_commit(key, number, story, branch)
            if story.merged
            else None,
            head_ref_name=self.branch_name(story, number),
            labels=self.labels(story),
            commits=branch,
            reviews=reviews,
            timeline=self.timeline(key, story),
            files=files,
            review_threads=sum(state != "APPROVED" for _, _, state in story.reviews),
            total_comments_count=rng.randint(0, 3),
        )

    def merge_commit(
        self, key: str, number: int, story: Story, branch: tuple[Commit, ...]
    ) -> Commit:
        """Return a squash: one commit on the trunk with the pull request's title and
        the trailers of its commits.
        """
        at = text(story.merged or 0)
        message = f"{story.title} (#{number})" + (
            f"\n\n{story.trailer}" if story.trailer else ""
        )
        author = branch[0].author if branch else GitActor("Unknown", "", at)
        return Commit(
            identity.oid(f"{key}:merge"), message, at, at, author, repository_name=self.name
        )

    def files(self, additions: int, deletions: int) -> tuple[ChangedFile, ...]:
        rng = self.rng
        count = min(60, 1 + int((additions + deletions) ** 0.5 / 2.5 * rng.uniform(0.5, 1.5)))
        subjects = texts.SUBJECTS[self.plan.name]
        suffix = texts.SUFFIXES[self.plan.language]
        return tuple(
            ChangedFile(
                f"{rng.choice(texts.FOLDERS)}/{_slug(rng.choice(subjects))}_{index}.{suffix}",
                added,
                deleted,
            )
            for index, (added, deleted) in enumerate(
                zip(partition(additions, count), partition(deletions, count), strict=True)
            )
        )

    def labels(self, story: Story) -> tuple[Label, ...]:
        if story.opening.bot is DEPENDABOT:
            return (_LABELS["dependencies"],)
        names = (
            [texts.LABELS[story.kind]]
            if story.kind in texts.LABELS and self.rng.random() < 0.6
            else []
        )
        return tuple(
            _LABELS[name]
            for name in [*names, *(["urgent"] if self.rng.random() < 0.03 else [])]
        )

    def branch_name(self, story: Story, number: int) -> str:
        bot = story.opening.bot
        slug = _slug(story.title.removeprefix(story.kind))[:40].strip("-") or f"change-{number}"
        return f"{_BRANCHES[bot.login] if bot else story.kind}/{slug}"

    def timeline(self, key: str, story: Story) -> tuple[TimelineEvent, ...]:
        moments: list[tuple[str, int | None]] = []
        if story.starts_as_draft and story.ready < self.now:
            moments.append(("ReadyForReviewEvent", story.ready))
        moments.append(("ConvertToDraftEvent", story.shelved))
        moments += [("MergedEvent", story.merged), ("ClosedEvent", story.closed)]
        return tuple(
            TimelineEvent(kind, text(at), story.author, identity.node_id("EV", f"{key}:{kind}"))
            for kind, at in moments
            if at is not None
        )


def _slug(words: str) -> str:
    return _NOT_IN_SLUGS.sub("-", words.lower()).strip("-")
