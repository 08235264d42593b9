"""Made-up teams for property tests, and every figure of them by the words of the definitions, one by one, the slow way."""

import collections
import statistics
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from apps.metrics.factories import RepositoryFactory, TeamFactory, TeamMemberFactory
from apps.metrics.models import Commit, DetailState, PRReview, PullRequest
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState
from apps.metrics.tally import Figures

MONDAY = datetime(2026, 3, 16, tzinfo=UTC)  # the clocks of Europe change on 29 March
MINUTES = st.integers(0, 30 * 24 * 60)
EVIDENCE = {
    "none": (None, [], []),
    "unmarked": (False, [], []),
    "hint": (False, [], [{"rule": "branch", "tier": "B", "tool": "codex"}]),
    "trailer": (True, ["claude"], [{"rule": "trailer", "tier": "A", "tool": "claude"}]),
    "agent": (True, ["claude", "codex"], [{"rule": "author", "tier": "A", "tool": "codex"}]),
}
TITLES = (
    ("Add a page", "", "topic"),
    ('Revert "Add a page"', "This reverts commit 0a1b2c.", "topic"),
    ('Revert "Add a page"', "It was too early.", "topic"),
    ("Take it back", "", "revert-12-topic"),
)
PULLS = st.lists(
    st.fixed_dictionaries(
        {
            "created": MINUTES,
            "ended": st.none() | st.integers(0, 15 * 24 * 60),
            "state": st.sampled_from([PullRequestState.MERGED] * 4 + [PullRequestState.CLOSED]),
            "repository": st.integers(0, 2),
            "author": st.none() | st.integers(0, 4),
            "kind": st.sampled_from([ChangeKind.PULL_REQUEST] * 5 + [ChangeKind.CHANGE]),
            "lines": st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
            "detail": st.sampled_from([DetailState.COMPLETE] * 4 + [DetailState.PENDING]),
            "draft": st.booleans(),
            "ai": st.sampled_from(sorted(EVIDENCE)),
            "title": st.sampled_from(TITLES),
            "reviews": st.lists(
                st.tuples(
                    st.sampled_from([*ReviewState, ReviewState.CHANGES_REQUESTED, ReviewState.APPROVED]),
                    st.none() | st.integers(0, 4),
                    st.none() | st.integers(0, 10 * 24 * 60),
                ),
                max_size=5,
            ),
            "commits": st.lists(st.integers(-2 * 24 * 60, 10 * 24 * 60), max_size=4),
        }
    ),
    max_size=14,
)


def write(drawn, zone="UTC"):
    """A team of three repositories and five members, the last of them a bot, with these pull requests."""
    team = TeamFactory(time_zone=zone)
    repositories = RepositoryFactory.create_batch(3, team=team)
    members = [TeamMemberFactory(team=team, is_bot=n == 4) for n in range(5)]
    pulls, children = [], []
    for n, one in enumerate(drawn):
        created = MONDAY + timedelta(minutes=one["created"])
        ended = None if one["ended"] is None else created + timedelta(minutes=one["ended"])
        state = PullRequestState.OPEN if ended is None else one["state"]
        assisted, tools, evidence = EVIDENCE[one["ai"]]
        title, body, branch = one["title"]
        pull = PullRequest(
            team=team, repository=repositories[one["repository"]], external_id=f"PR_{n}", number=n, title=title, body=body,
            head_ref=branch, kind=one["kind"], state=state, created_at=created, updated_at=created, closed_at=ended,
            merged_at=ended if state == PullRequestState.MERGED else None, is_draft=one["draft"],
            author=None if one["author"] is None else members[one["author"]], additions=one["lines"][0],
            deletions=one["lines"][1], detail_state=one["detail"], ai_assisted=assisted, ai_tools=tools,
            ai_evidence=evidence,
        )  # fmt: skip
        pulls.append(pull)
        for m, (verdict, who, at) in enumerate(one["reviews"]):
            reviewer = None if who is None else members[who]
            when = None if at is None else created + timedelta(minutes=at)
            children.append(
                (PRReview, n, {"external_id": f"R_{m}", "state": verdict, "reviewer": reviewer, "submitted_at": when})
            )
        for m, at in enumerate(one["commits"]):
            when = created + timedelta(minutes=at)
            children.append((Commit, n, {"oid": f"{m}", "message": "", "authored_at": when, "committed_at": when}))
    made = PullRequest.objects.bulk_create(pulls)
    for model in (PRReview, Commit):
        model.objects.bulk_create(
            model(team=team, pull_request=made[n], **values) for kind, n, values in children if kind is model
        )
    return team


def hours(span):
    return None if span is None else span / timedelta(hours=1)


def percentiles(values):
    """Median, p75 and p90 by the standard library, and how many."""
    values = [value for value in values if value is not None]
    if len(values) < 2:
        return [values[0] if values else None] * 3 + [len(values)]
    hundredths = statistics.quantiles(values, n=100, method="inclusive")
    return [statistics.median(values), hundredths[74], hundredths[89], len(values)]


def human_reviews(pull):
    return [
        one
        for one in sorted(pull.reviews.all(), key=lambda one: one.submitted_at or MONDAY)
        if one.state != "pending" and one.submitted_at and one.reviewer and not one.reviewer.is_bot
        and one.reviewer_id != pull.author_id
    ]  # fmt: skip


def phases(pull):
    """Coding, pickup, review, merge, cycle: the stretches between the moments that there are."""
    before = [one for one in human_reviews(pull) if one.submitted_at <= pull.merged_at]
    approvals = [one.submitted_at for one in before if one.state == "approved"]
    commits = [one.authored_at for one in pull.commits.all()]
    coding = pickup = review = None
    begin = pull.created_at
    if commits and min(commits) <= pull.created_at:
        begin, coding = min(commits), pull.created_at - min(commits)
    merge = pull.merged_at - pull.created_at
    if before:
        first = before[0].submitted_at
        pickup = first - pull.created_at
        review = (min(approvals) if approvals else pull.merged_at) - first
        merge = pull.merged_at - min(approvals) if approvals else None
    parts = [coding, pickup, review, merge]
    assert sum((part for part in parts if part is not None), timedelta()) == pull.merged_at - begin
    return [hours(part) for part in [*parts, pull.merged_at - begin]]


def rework(pull):
    reviews = human_reviews(pull)
    approved = [one.submitted_at for one in reviews if one.state == "approved"]
    until = min([*approved, pull.merged_at])
    asked = sorted(
        one.submitted_at for one in reviews if one.state == "changes_requested" and one.submitted_at <= until
    )
    pushed = sorted(one.committed_at for one in pull.commits.all() if one.committed_at <= until)
    cycles, after = 0, None
    for request in asked:
        if after is not None and request <= after:
            continue
        answers = [at for at in pushed if at >= request]
        if answers:
            cycles, after = cycles + 1, answers[0]
    return cycles


def gini(counts):
    """Half the mean absolute difference over the mean."""
    if not counts:
        return None
    differences = sum(abs(a - b) for a in counts for b in counts)
    return differences / (2 * len(counts) * sum(counts))


def figures(opened, merged, closed, reviewed):
    """Of one subject and week; `merged` are its pull requests, `reviewed` its review load."""
    read = [
        one
        for one in merged
        if one.kind != "change" and one.detail_state == "complete" and not (one.author and one.author.is_bot)
    ]
    parts = list(zip(*map(phases, read), strict=True)) or [()] * 5
    lines = sum(one.additions + one.deletions for one in merged)
    loads = collections.Counter(who for one in merged for who in {review.reviewer_id for review in human_reviews(one)})
    cycles = [rework(one) for one in read]
    tools = collections.Counter(tool for one in merged for tool in one.ai_tools)
    times = percentiles([hours(one.merged_at - one.created_at) for one in merged if one.kind != "change"])
    unapproved = [
        one for one in read
        if not any(review.state == "approved" and review.submitted_at <= one.merged_at for review in human_reviews(one))
    ]  # fmt: skip
    values = {
        "opened": opened, "merged": len(merged), "closed": closed, "reviewed": reviewed,
        "authors": len({one.author_id for one in merged}), "ai_assisted": sum(one.ai_assisted is True for one in merged),
        "additions": sum(one.additions for one in merged), "deletions": sum(one.deletions for one in merged),
        "reviews": sum(review.state != "pending" for one in merged for review in one.reviews.all()),
        "review_depth": 100 * sum(len(human_reviews(one)) for one in merged) / lines if lines else None,
        "reviewable": len(read), "without_approval": len(unapproved), "rework_cycles": sum(cycles),
        "reworked": sum(one > 0 for one in cycles), "reviewers": len(loads), "review_gini": gini(list(loads.values())),
        "reverts": sum(one.head_ref == "revert-12-topic" or one.body.startswith("This reverts") for one in merged),
        "ai_agent_authored": sum(any(proof["rule"] == "author" for proof in one.ai_evidence) for one in merged),
        "ai_hinted": sum(any(proof["tier"] == "B" for proof in one.ai_evidence) for one in merged),
        "ai_tools": " ".join(f"{tool}={n}" for tool, n in sorted(tools.items())),
    }  # fmt: skip
    spreads = {
        "time_to_merge_hours": times,
        "size_lines": percentiles([one.additions + one.deletions for one in merged]),
    }
    spreads |= {
        f"{name}_hours": percentiles(part)
        for name, part in zip(("coding", "pickup", "review", "merge", "cycle"), parts, strict=True)
    }
    for name, spread in spreads.items():
        values |= {f"{name}_{kind}": value for kind, value in zip(("median", "p75", "p90", "n"), spread, strict=True)}
    del values["size_lines_n"]
    return Figures(**values)


def table(team, zone):
    """Every week of every subject that has anything."""

    def monday(moment):
        day = moment.astimezone(zone).date()
        return day - timedelta(days=day.weekday())

    pulls = list(
        PullRequest.objects.for_team(team).select_related("author").prefetch_related("reviews__reviewer", "commits")
    )
    merged, opened, closed, loads = (collections.defaultdict(list) for _ in range(4))
    for pull in pulls:
        subjects = [
            "team",
            f"repository:{pull.repository_id}",
            *([f"member:{pull.author_id}"] if pull.author_id else []),
        ]
        for subject in subjects:
            opened[subject, monday(pull.created_at)].append(pull)
            if pull.merged_at:
                merged[subject, monday(pull.merged_at)].append(pull)
            elif pull.closed_at:
                closed[subject, monday(pull.closed_at)].append(pull)
        if pull.merged_at:
            for who in {review.reviewer_id for review in human_reviews(pull)}:
                for subject in ("team", f"repository:{pull.repository_id}", f"member:{who}"):
                    loads[subject, monday(pull.merged_at)].append(pull)
    return {
        place: figures(len(opened[place]), merged[place], len(closed[place]), len(loads[place]))
        for place in {*opened, *merged, *closed, *loads}
    }
