"""Made-up teams for property tests, and every figure of them by the words of the
definitions, one by one, the slow way.
"""

import collections
import statistics
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from apps.metrics.factories import RepositoryFactory, TeamFactory, TeamMemberFactory
from apps.metrics.figures.declarations import NAMES
from apps.metrics.models import Commit, DetailState, PRReview, PullRequest
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState

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
    (
        'Revert "Revert "Add a page""',
        "This reverts commit 1b2c3d.",
        "revert-13-revert-12-topic",
    ),
    ('Reapply "Add a page"', "This reverts commit 1b2c3d.", "topic"),
    ("Take it back", "", "revert-12-topic"),
)
PULLS = st.lists(
    st.fixed_dictionaries(
        {
            "created": MINUTES,
            "ended": st.none() | st.integers(-2 * 24 * 60, 15 * 24 * 60),
            # Years by which the clock at the end was wrong.
            "skew": st.sampled_from([0] * 8 + [80, -60]),
            "state": st.sampled_from([PullRequestState.MERGED] * 4 + [PullRequestState.CLOSED]),
            "repository": st.integers(0, 2),
            "author": st.none() | st.integers(0, 4),
            "kind": st.sampled_from(
                [ChangeKind.PULL_REQUEST] * 5 + [ChangeKind.CHANGE, ChangeKind.RELEASE]
            ),
            "known": st.sampled_from([True] * 4 + [False]),
            "lines": st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
            "detail": st.sampled_from([DetailState.COMPLETE] * 4 + [DetailState.PENDING]),
            "draft": st.booleans(),
            "ai": st.sampled_from(sorted(EVIDENCE)),
            "title": st.sampled_from(TITLES),
            "reviews": st.lists(
                st.tuples(
                    st.sampled_from(
                        [*ReviewState, ReviewState.CHANGES_REQUESTED, ReviewState.APPROVED]
                    ),
                    st.none() | st.integers(0, 4),
                    st.none() | st.integers(-24 * 60, 10 * 24 * 60),
                ),
                max_size=5,
            ),
            "commits": st.lists(
                st.integers(-2 * 24 * 60, 10 * 24 * 60) | st.just(-60 * 365 * 24 * 60),
                max_size=4,
            ),
        }
    ),
    max_size=14,
)


def write(drawn, zone="UTC"):
    """A team of three repositories and five members, the first of them the ghost and
    the last a bot, with these pull requests.
    """
    team = TeamFactory(time_zone=zone)
    repositories = RepositoryFactory.create_batch(3, team=team)
    members = [TeamMemberFactory(team=team, is_bot=n == 3) for n in range(4)]
    members.insert(0, TeamMemberFactory(team=team, login="ghost", github_id=None, key="ghost"))
    pulls, children = [], []
    for n, one in enumerate(drawn):
        created = MONDAY + timedelta(minutes=one["created"])
        ended = (
            None
            if one["ended"] is None
            else created + timedelta(minutes=one["ended"], days=365 * one["skew"])
        )
        state = PullRequestState.OPEN if ended is None else one["state"]
        assisted, tools, evidence = EVIDENCE[one["ai"]]
        title, body, branch = one["title"]
        pull = PullRequest(
            team=team,
            repository=repositories[one["repository"]],
            external_id=f"PR_{n}",
            number=n,
            title=title,
            body=body,
            head_ref=branch,
            kind=one["kind"],
            state=state,
            created_at=created,
            updated_at=created,
            closed_at=ended,
            merged_at=ended if state == PullRequestState.MERGED else None,
            is_draft=one["draft"],
            author=None if one["author"] is None else members[one["author"]],
            additions=one["lines"][0],
            deletions=one["lines"][1],
            detail_state=one["detail"],
            ai_assisted=assisted,
            ai_tools=tools,
            ai_evidence=evidence,
            opening_known=one["known"],
        )
        pulls.append(pull)
        for m, (verdict, who, at) in enumerate(one["reviews"]):
            reviewer = None if who is None else members[who]
            when = None if at is None else created + timedelta(minutes=at)
            children.append(
                (
                    PRReview,
                    n,
                    {
                        "external_id": f"R_{m}",
                        "state": verdict,
                        "reviewer": reviewer,
                        "submitted_at": when,
                    },
                )
            )
        for m, at in enumerate(one["commits"]):
            when = created + timedelta(minutes=at)
            children.append(
                (
                    Commit,
                    n,
                    {"oid": f"{m}", "message": "", "authored_at": when, "committed_at": when},
                )
            )
    made = PullRequest.objects.bulk_create(pulls)
    for model in (PRReview, Commit):
        model.objects.bulk_create(
            model(team=team, pull_request=made[n], **values)
            for kind, n, values in children
            if kind is model
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
        if one.state != "pending"
        and one.submitted_at
        and one.reviewer
        and not one.reviewer.is_bot
        and (
            one.reviewer_id != pull.author_id
            or (one.reviewer.key == "ghost" and one.state != "commented")
        )
    ]


def is_possible(moment):
    return datetime(1980, 1, 1, tzinfo=UTC) <= moment <= datetime.now(UTC) + timedelta(days=1)


def took(pull):
    """Return the time to merge; None for times that are impossible or not known, and
    for releases.
    """
    is_sound = (
        pull.opening_known
        and pull.kind != "release"
        and is_possible(pull.created_at)
        and pull.created_at <= pull.merged_at
    )
    return pull.merged_at - pull.created_at if is_sound else None


def phases(pull):
    """Coding, pickup, review, merge, cycle: the stretches between the moments that
    there are.
    """
    if took(pull) is None:
        return [None] * 5
    before = [
        one
        for one in human_reviews(pull)
        if pull.created_at <= one.submitted_at <= pull.merged_at
    ]
    approvals = [one.submitted_at for one in before if one.state == "approved"]
    commits = [one.authored_at for one in pull.commits.all() if is_possible(one.authored_at)]
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
    assert (
        sum((part for part in parts if part is not None), timedelta()) == pull.merged_at - begin
    )
    return [hours(part) for part in [*parts, pull.merged_at - begin]]


def rework(pull):
    reviews = human_reviews(pull)
    approved = [one.submitted_at for one in reviews if one.state == "approved"]
    until = min([*approved, pull.merged_at])
    asked = sorted(
        one.submitted_at
        for one in reviews
        if one.state == "changes_requested" and one.submitted_at <= until
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


def waited(pull):
    """Return the hours to the first review of a pull request that is not merged; NaN
    for none.
    """
    ends = [end for end in (pull.merged_at, pull.closed_at) if end and is_possible(end)]
    is_sound = pull.opening_known and all(end >= pull.created_at for end in ends)
    first = [
        one.submitted_at
        for one in human_reviews(pull)
        if pull.created_at <= one.submitted_at and is_possible(one.submitted_at)
    ]
    return hours(min(first) - pull.created_at) if is_sound and first else float("nan")


def measures(pull):
    """Return the measures of a pull request by their names, NaN for none."""
    none = float("nan")
    is_merged = pull.state == "merged" and is_possible(pull.merged_at)
    is_person = not (pull.author and pull.author.is_bot)
    is_read = pull.kind == "pull_request" and is_person and pull.detail_state == "complete"
    values = {"time_to_merge_hours": none, "rework_cycles": none, "without_approval": none}
    values |= dict.fromkeys(
        (f"{name}_hours" for name in ("coding", "pickup", "review", "merge", "cycle")), none
    )
    if is_merged and pull.kind != "change":
        values["time_to_merge_hours"] = hours(took(pull)) if took(pull) is not None else none
    if is_merged and is_read:
        names = ("coding", "pickup", "review", "merge", "cycle")
        parts = zip(names, phases(pull), strict=True)
        values |= {f"{name}_hours": none if part is None else part for name, part in parts}
        values["rework_cycles"] = rework(pull)
        values["without_approval"] = 1 - any(
            one.state == "approved" and one.submitted_at <= pull.merged_at
            for one in human_reviews(pull)
        )
    elif is_read:
        values["pickup_hours"] = waited(pull)
    is_release = pull.kind == "release"
    values["additions"] = none if is_release else pull.additions
    values["deletions"] = none if is_release else pull.deletions
    values["reviews"] = sum(one.state != "pending" for one in pull.reviews.all())
    values["is_revert"] = pull.title in (TITLES[1][0], "Take it back")
    return values


def gini(counts):
    """Half the mean absolute difference over the mean."""
    if not counts:
        return None
    differences = sum(abs(a - b) for a in counts for b in counts)
    return differences / (2 * len(counts) * sum(counts))


def figures(opened, merged, closed, reviewed, direct):
    """Of one subject and week; `merged` are its pull requests, `reviewed` its review
    load, `direct` its direct commits.
    """
    read = [
        one
        for one in merged
        if one.kind == "pull_request"
        and one.detail_state == "complete"
        and not (one.author and one.author.is_bot)
    ]
    parts = list(zip(*map(phases, read), strict=True)) or [()] * 5
    sized = [one for one in merged if one.kind != "release"]
    lines = sum(one.additions + one.deletions for one in sized)
    loads = collections.Counter(
        who for one in merged for who in {review.reviewer_id for review in human_reviews(one)}
    )
    cycles = [rework(one) for one in read]
    tools = collections.Counter(tool for one in merged for tool in one.ai_tools)
    times = percentiles([hours(took(one)) for one in merged])
    unapproved = [
        one
        for one in read
        if not any(
            review.state == "approved" and review.submitted_at <= one.merged_at
            for review in human_reviews(one)
        )
    ]
    values = {
        "opened": opened,
        "merged": len(merged),
        "closed": closed,
        "reviewed": reviewed,
        "authors": len({one.author_id for one in merged}),
        "ai_assisted": sum(one.ai_assisted is True for one in merged),
        "additions": sum(one.additions for one in sized),
        "deletions": sum(one.deletions for one in sized),
        "reviews": sum(
            review.state != "pending" for one in merged for review in one.reviews.all()
        ),
        "review_depth": 100 * sum(len(human_reviews(one)) for one in sized) / lines
        if lines
        else None,
        "reviewable": len(read),
        "without_approval": len(unapproved),
        "rework_cycles": sum(cycles),
        "reworked": sum(one > 0 for one in cycles),
        "reviewers": len(loads),
        "review_gini": gini(list(loads.values())),
        "reverts": sum(one.title in (TITLES[1][0], "Take it back") for one in merged),
        "ai_agent_authored": sum(
            any(proof["rule"] == "author" for proof in one.ai_evidence) for one in merged
        ),
        "ai_hinted": sum(
            any(proof["tier"] == "B" for proof in one.ai_evidence) for one in merged
        ),
        "ai_tools": " ".join(f"{tool}={n}" for tool, n in sorted(tools.items())),
        "direct_commits": direct,
    }
    spreads = {
        "time_to_merge_hours": times,
        "size_lines": percentiles([one.additions + one.deletions for one in sized]),
    }
    spreads |= {
        f"{name}_hours": percentiles(part)
        for name, part in zip(
            ("coding", "pickup", "review", "merge", "cycle"), parts, strict=True
        )
    }
    for name, spread in spreads.items():
        values |= {
            f"{name}_{kind}": value
            for kind, value in zip(("median", "p75", "p90", "n"), spread, strict=True)
        }
    del values["size_lines_n"]
    return {name: values[name] for name in NAMES}


def subjects_of(pull):
    """Return the subjects that count a pull request as theirs."""
    subjects = ["team", f"repository:{pull.repository_id}"]
    return [*subjects, f"member:{pull.author_id}"] if pull.author_id else subjects


def direct_commits(commits, monday):
    """Return how many direct commits landed, by subject and week."""
    landed = [one for one in commits if one.merged_at and is_possible(one.merged_at)]
    return collections.Counter(
        (subject, monday(one.merged_at)) for one in landed for subject in subjects_of(one)
    )


def table(team, zone):
    """Every week of every subject that has anything."""

    def monday(moment):
        day = moment.astimezone(zone).date()
        return day - timedelta(days=day.weekday())

    pulls = list(
        PullRequest.objects.for_team(team)
        .select_related("author")
        .prefetch_related("reviews__reviewer", "commits")
    )
    merged, opened, closed, loads = (collections.defaultdict(list) for _ in range(4))
    direct = direct_commits([pull for pull in pulls if pull.kind == "change"], monday)
    for pull in [pull for pull in pulls if pull.kind != "change"]:
        for subject in subjects_of(pull):
            opened[subject, monday(pull.created_at)].append(pull)
            ended = pull.merged_at or pull.closed_at
            if ended and not is_possible(ended):
                continue
            if pull.merged_at:
                merged[subject, monday(pull.merged_at)].append(pull)
            elif pull.closed_at:
                closed[subject, monday(pull.closed_at)].append(pull)
        if pull.merged_at and is_possible(pull.merged_at):
            for who in {review.reviewer_id for review in human_reviews(pull)}:
                for subject in ("team", f"repository:{pull.repository_id}", f"member:{who}"):
                    loads[subject, monday(pull.merged_at)].append(pull)
    return {
        place: figures(
            len(opened[place]),
            merged[place],
            len(closed[place]),
            len(loads[place]),
            direct[place],
        )
        for place in {*opened, *merged, *closed, *loads, *direct}
    }
