import time
from datetime import timedelta

import pytest

from apps.integrations.sources.git.repository import GitRepository, LandingGone
from apps.metrics.records import ChangeKind, PullRequestState
from apps.pipelines.remedy import Remedy
from tests.integrations.git.conftest import BEN, LONG_AGO, at

WEB = ("GitHub", "noreply@github.com")


def test_a_merge_is_a_pull_request_with_the_commits_it_brought(repo, read):
    repo.commit("Begin", {"a.txt": "1\n2\n3\n"})
    repo.branch("topic")
    first = repo.commit("First step", {"b.txt": "1\n2\n"}, hour=2, author=BEN)
    second = repo.commit(
        "Second step\n\nCo-authored-by: X <x@example.com>", {"a.txt": "1\n"}, hour=5
    )
    repo.git("checkout", "--quiet", "main")
    repo.commit("Meanwhile", {"c.txt": "1\n"}, hour=6)
    merge = repo.merge(
        "Merge pull request #12 from org/fix/the-topic\n\nA fine title\n\nAnd why.",
        "topic",
        hour=10,
    )

    pull = read()[0]

    assert pull.external_id == f"git:{merge}" == f"git:{pull.merge_commit_oid}"
    assert (pull.number, pull.kind, pull.state) == (
        12,
        ChangeKind.PULL_REQUEST,
        PullRequestState.MERGED,
    )
    assert (pull.title, pull.body, pull.head_ref, pull.base_ref) == (
        "A fine title",
        "And why.",
        "fix/the-topic",
        "main",
    )
    assert (pull.created_at, pull.merged_at, pull.updated_at, pull.closed_at) == (
        at(2),
        at(10),
        at(10),
        at(10),
    )
    assert (pull.author.github_id, pull.author.login, pull.merged_by.name) == (
        7,
        "ben",
        "Ann Lee",
    )
    assert (pull.additions, pull.deletions, pull.changed_files) == (2, 2, 2)
    assert [commit.oid for commit in pull.commits] == [first, second]
    assert pull.commits[1].message.endswith("Co-authored-by: X <x@example.com>")
    assert [(commit.additions, commit.deletions) for commit in pull.commits] == [(2, 0), (0, 2)]
    assert (
        pull.commits[0].authored_at,
        pull.commits[0].author_name,
        pull.commits[0].author_email,
    ) == (at(2), *BEN)
    assert pull.reviews == ()


def test_a_squash_has_a_number_and_itself_as_its_commit(repo, read):
    squash = repo.commit(
        "Speed it up (#123)\n\nBody here", {"a": "x\n"}, hour=1, committed=9, committer=WEB
    )
    pull = read()[0]
    assert (pull.number, pull.title, pull.body, pull.kind) == (
        123,
        "Speed it up",
        "Body here",
        ChangeKind.PULL_REQUEST,
    )
    assert (pull.created_at, pull.merged_at) == (at(1), at(9))
    assert pull.merged_by is None
    assert [commit.oid for commit in pull.commits] == [squash]
    assert (pull.additions, pull.commits[0].additions) == (1, 1)


def test_any_other_commit_is_a_change_and_a_root_has_a_size(repo, read):
    repo.commit("Begin", {"a": "1\n2\n", "b": "1\n"}, hour=3)
    (change,) = read()
    assert (change.kind, change.number, change.state) == (
        ChangeKind.CHANGE,
        None,
        PullRequestState.MERGED,
    )
    assert (change.additions, change.deletions, change.changed_files) == (3, 0, 2)
    assert change.created_at == change.merged_at == at(3)
    assert len(change.commits) == 1


def test_created_is_never_after_merged(repo, read):
    repo.commit("Clock went back (#1)", hour=50, committed=40)
    repo.branch("topic")
    repo.commit("From the future", hour=90)
    repo.merge("Merge pull request #2 from o/topic\n\nT", "topic", hour=60)
    assert (
        [pull.created_at for pull in read()]
        == [pull.merged_at for pull in read()]
        == [at(60), at(40)]
    )


def test_an_octopus_brings_the_commits_of_all_its_branches(repo, read):
    repo.commit("Begin")
    for number in range(3):
        repo.branch(f"t{number}")
        repo.commit(f"On {number}", {f"f{number}": "1\n"}, hour=number + 1)
    repo.merge("Merge branches 't0', 't1' and 't2'", "t0", "t1", "t2", hour=9)
    pull = read()[0]
    assert (pull.kind, pull.number, pull.head_ref) == (
        ChangeKind.PULL_REQUEST,
        None,
        "t0, t1, t2",
    )
    assert [commit.message for commit in pull.commits] == ["On 0", "On 1", "On 2"]
    assert (pull.additions, pull.changed_files) == (3, 3)


def test_what_a_branch_took_from_the_trunk_is_not_its_own(repo, read):
    repo.commit("Begin", {"a": "1\n"})
    repo.branch("topic")
    repo.commit("Mine", {"mine": "1\n"}, hour=1)
    repo.git("checkout", "--quiet", "main")
    repo.commit("Theirs", {"theirs": "1\n2\n"}, hour=2)
    repo.merge("Merge branch 'main' into topic", "main", into="topic", hour=3)
    repo.commit("Mine again", {"mine": "1\n2\n"}, hour=4)
    repo.merge("Merge branch 'topic'", "topic", hour=5)
    pull, theirs, _ = read()
    assert [commit.message for commit in pull.commits] == [
        "Mine",
        "Merge branch 'main' into topic",
        "Mine again",
    ]
    assert pull.commits[1].additions is None  # a merge's own share is not known
    assert pull.additions == 2
    assert theirs.title == "Theirs"


def test_commits_belong_to_the_first_merge_that_brought_them(repo, read):
    repo.commit("Begin")
    repo.branch("base")
    repo.commit("Base", hour=1)
    repo.branch("stacked", "base")
    repo.commit("Stacked", hour=2)
    repo.merge("Merge pull request #1 from o/base\n\nBase", "base", hour=3)
    repo.merge("Merge pull request #2 from o/stacked\n\nStacked", "stacked", hour=4)
    stacked, base, _ = read()
    assert [commit.message for commit in stacked.commits] == ["Stacked"]
    assert [commit.message for commit in base.commits] == ["Base"]


@pytest.mark.parametrize(
    "message",
    [
        "Merge branch 'main' of github.com:o/app",
        "Merge branch 'main' into local",
        "Merge remote-tracking branch 'origin/main'",
        "Merge branch 'o:main' into main",
    ],
)
def test_a_back_merge_is_no_landing_and_both_its_sides_are_the_trunk(repo, read, message):
    repo.commit("Begin", hour=0)
    repo.branch("theirs")
    repo.commit("Pushed by others", hour=2)
    repo.branch("topic", "theirs")
    repo.commit("On a topic", hour=3)
    repo.merge("Merge pull request #4 from o/topic\n\nTopic", "topic", into="theirs", hour=5)
    repo.git("checkout", "--quiet", "main")
    repo.commit("Mine, not pushed", hour=4)
    repo.merge(message, "theirs", hour=6)
    pulls = read()
    assert [pull.title for pull in pulls] == [
        "Topic",
        "Mine, not pushed",
        "Pushed by others",
        "Begin",
    ]
    assert [commit.message for commit in pulls[0].commits] == ["On a topic"]


def test_a_merge_that_brings_nothing(repo, read):
    repo.commit("Begin")
    tree, tip = repo.git("rev-parse", "HEAD^{tree}", "HEAD").split()
    repo.commit("Next", hour=1)
    again = repo.git(
        "commit-tree", tree, "-p", "HEAD", "-p", tip, "-m", "Merge branch 'old'", hour=3
    )
    repo.git("reset", "--quiet", "--hard", again)
    pull = read()[0]
    assert (pull.kind, pull.commits, pull.head_ref) == (ChangeKind.PULL_REQUEST, (), "old")
    assert pull.author.name == "Ann Lee"
    assert pull.created_at == pull.merged_at == at(3)


def test_two_landings_may_have_one_number(repo, read):
    repo.commit("Add it (#5)", hour=1)
    repo.commit('Revert "Add it (#5)" (#6)', hour=2)
    repo.commit("Add it (#5)", {"again": "1\n"}, hour=3)
    pulls = read()
    assert [pull.number for pull in pulls] == [5, 6, 5]
    assert len({pull.external_id for pull in pulls}) == 3


def test_long_lists_of_commits_are_cut_and_the_cut_is_said(repo, root, read):
    repo.commit("Begin")
    lines = ["reset refs/heads/big", "from refs/heads/main", ""]
    for number in range(300):
        committer = f"committer A <a@example.com> {1767225600 + number} +0000"
        lines += ["commit refs/heads/big", committer, "data 3", f"{number:03}"]
    repo.git("fast-import", "--quiet", given="\n".join([*lines, ""]).encode())
    repo.merge("Merge branch 'big'", "big", hour=9)
    repository = GitRepository.open("app", root)
    landing = repository.landings(LONG_AGO)[0]
    (pull,) = repository.read([landing.oid])
    assert len(pull.commits) == 250
    assert (pull.commits[0].message, pull.commits[-1].message) == ("000", "249")
    assert repository.clipped == {landing.oid: 300}


# The window and the cursor


def test_the_window_goes_by_the_date_of_landing(repo, root):
    repo.commit("Old", hour=1)
    repo.commit("Old, landed late (#1)", hour=2, committed=30)
    repo.commit("New", hour=40)
    repository = GitRepository.open("app", root)
    assert repository.count(at(30)) == 2
    assert [landing.subject for landing in repository.landings(at(30))] == [
        "New",
        "Old, landed late (#1)",
    ]
    assert repository.count(at(31)) == 1
    assert repository.count(at(99)) == 0
    assert repository.count(LONG_AGO) == 3


def test_a_wrong_clock_does_not_end_the_walk(repo, root):
    repo.commit("Early", hour=100)
    repo.commit("Clock was wrong", hour=-9000)
    repo.commit("Late", hour=101)
    subjects = [landing.subject for landing in GitRepository.open("app", root).landings(at(50))]
    assert subjects == ["Late", "Early"]


def test_a_branch_from_before_the_window_is_read_in_full(repo, root):
    repo.commit("Begin", hour=0)
    repo.branch("topic")
    repo.commit("Started long ago", hour=1)
    repo.git("checkout", "--quiet", "main")
    for hour in range(2, 20):
        repo.commit(f"Commit {hour}", hour=hour)
    repo.merge("Merge branch 'topic'", "topic", hour=30)
    repository = GitRepository.open("app", root)
    (landing,) = repository.landings(at(25))
    (pull,) = repository.read([landing.oid])
    assert [commit.message for commit in pull.commits] == ["Started long ago"]
    assert pull.created_at == at(1)


def test_reading_goes_on_behind_a_landing(repo, root):
    for hour in range(6):
        repo.commit(f"Commit {hour}", hour=hour)
    all_of_them = GitRepository.open("app", root).landings(LONG_AGO)
    rest = GitRepository.open("app", root).landings(LONG_AGO, after=all_of_them[2].oid)
    assert rest == all_of_them[3:]
    assert GitRepository.open("app", root).landings(LONG_AGO, after=all_of_them[-1].oid) == []


def test_a_cursor_that_is_gone_starts_over_and_its_landing_cannot_be_read(repo, root):
    repo.commit("Begin")
    gone = repo.commit("Will be gone", hour=1)
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    repository = GitRepository.open("app", root)
    assert len(repository.landings(LONG_AGO, after=gone)) == 1
    with pytest.raises(LandingGone, match=gone[:12]) as failure:
        repository.read([gone])
    assert failure.value.remedy == Remedy.RETRY
    with pytest.raises(LandingGone):
        repository.read(["--output=x"])


def test_any_unit_gives_the_same_records(repo, root, read):
    repo.commit("Begin")
    for number in range(1, 8):
        repo.branch(f"t{number}", "main" if number % 2 else "main~1" if number > 2 else "main")
        repo.commit(f"Work {number}", hour=2 * number)
        repo.merge(
            f"Merge pull request #{number} from o/t{number}\n\nT{number}",
            f"t{number}",
            hour=2 * number + 1,
        )
    whole = read()
    oids = [pull.merge_commit_oid for pull in whole]
    single = [GitRepository.open("app", root).read([oid])[0] for oid in oids]
    assert single == whole
    assert GitRepository.open("app", root).read(oids[::-1]) == whole[::-1]
    assert GitRepository.open("app", root).read([]) == []


def test_a_thousand_landings_take_seconds(repo, root):
    stream = []
    for number in range(1000):
        when = 1767225600 + number * 600
        who = f"P{number % 20} <p{number % 20}@example.com>"
        content = [f"M 644 inline d{number % 50}/f{number}.txt", "data <<E", str(number), "E"]
        stream += [*(["reset refs/heads/topic", "from refs/heads/main", ""] if number else [])]
        stream += [
            "commit refs/heads/topic",
            f"committer {who} {when} +0000",
            "data <<E",
            "Work on it",
            "E",
            *content,
        ]
        stream += ["commit refs/heads/main", f"committer {who} {when + 300} +0000"]
        stream += [
            "data <<E",
            f"Merge pull request #{number + 1} from o/t\n\nTitle {number}",
            "E",
        ]
        stream += ["merge refs/heads/topic" if number else "from refs/heads/topic", *content]
    repo.git("fast-import", "--quiet", given="\n".join([*stream, ""]).encode())
    repository = GitRepository.open("app", root)
    began = time.perf_counter()
    landings = repository.landings(LONG_AGO)
    pulls = []
    for start in range(0, len(landings), 25):
        pulls += repository.read([landing.oid for landing in landings[start : start + 25]])
    took = time.perf_counter() - began
    assert len(pulls) > 990
    assert all(len(pull.commits) == 1 and pull.additions == 1 for pull in pulls[:-2])
    assert pulls[0].merged_at - pulls[0].created_at == timedelta(minutes=5)
    assert took < 20  # about half a second here; a process for each commit would take longer
