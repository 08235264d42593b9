"""Landings of long-lived branches, other projects' histories, and dates that are none."""

import pytest

from apps.metrics.records import ChangeKind
from tests.integrations.git.conftest import START, at


def topic(
    repo,
    number,
    into="main",
    start=None,
    message="Merge pull request #{0} from acme/topic-{0}\n\nTitle {0}",
):
    """Land a pull request of one commit."""
    repo.branch(f"topic-{number}", start or into)
    repo.commit(f"Work on {number}", {f"t{number}.txt": "1\n"}, hour=number * 10)
    return repo.merge(
        message.format(number), f"topic-{number}", into=into, hour=number * 10 + 5
    )


def numbers(pulls, kind=ChangeKind.PULL_REQUEST):
    return sorted(pull.number for pull in pulls if pull.kind == kind and pull.number)


@pytest.mark.parametrize(
    "release",
    [
        "Merge branch 'develop' into main",
        "Merge branch 'develop'",
        "Merge pull request #50 from acme/develop\n\nRelease",
        "Merge branch 'release/1.0'",
        "Merge branch 'develop' into 'main'\n\nRelease\n\nSee merge request acme/api!50",
    ],
)
@pytest.mark.parametrize("way", ["merged", "squashed", "git-flow"])
def test_what_landed_on_a_long_lived_branch_counts_and_its_merge_is_a_release(
    repo, read, release, way
):
    repo.commit("Begin")
    repo.branch("develop")
    for number in range(1, 7):
        if way == "squashed":
            repo.commit(f"Title {number} (#{number})", hour=number * 10)
        elif way == "merged":
            topic(repo, number, into="develop")
        else:
            topic(repo, number, into="develop", message="Merge branch 'topic-{0}' into develop")
    repo.merge(release, "develop", hour=672)
    pulls = read()
    if way == "git-flow":
        titles = {pull.title for pull in pulls if pull.kind == ChangeKind.PULL_REQUEST}
        assert titles == {
            f"Merge branch 'topic-{number}' into develop" for number in range(1, 7)
        }
    else:
        assert numbers(pulls) == [1, 2, 3, 4, 5, 6]
    (merge,) = [pull for pull in pulls if pull.kind == ChangeKind.RELEASE]
    assert not merge.opening_known
    assert merge.commits == ()


def test_second_release_brings_only_what_is_new(repo, read):
    repo.commit("Begin")
    repo.branch("develop")
    topic(repo, 1, into="develop")
    repo.merge("Merge branch 'develop'", "develop", hour=18)
    topic(repo, 2, into="develop")
    repo.merge("Release 1.1", "develop", hour=30)
    pulls = read()
    assert numbers(pulls) == [1, 2]
    assert [pull.title for pull in pulls if pull.kind == ChangeKind.RELEASE] == [
        "Release 1.1",
        "Merge branch 'develop'",
    ]


@pytest.mark.parametrize(
    "message",
    [
        "Sync with main",
        "Merge commit 'abc1234' into feature",
        "Merge branch 'main' into 'feature'",
        "Merge",
        "pull",
    ],
)
@pytest.mark.parametrize("way", ["merged", "squashed"])
def test_trunk_merged_into_a_branch_that_becomes_the_trunk_is_no_landing(
    repo, read, message, way
):
    repo.commit("Begin")
    repo.branch("feature")
    repo.commit("Mine", {"mine": "1\n"}, hour=5)
    repo.git("checkout", "--quiet", "main")
    for number in (1, 2, 3):
        if way == "merged":
            topic(repo, number)
        else:
            repo.commit(f"Title {number} (#{number})", hour=number * 10)
    repo.merge(message, "main", into="feature", hour=168)
    repo.git("branch", "--force", "main", "feature")
    repo.git("checkout", "--quiet", "main")
    pulls = read()
    assert numbers(pulls) == [1, 2, 3]
    assert sorted(pull.title for pull in pulls if pull.kind != ChangeKind.PULL_REQUEST) == [
        "Begin",
        "Mine",
    ]
    assert len(pulls) == 5


@pytest.mark.parametrize(
    "message",
    [
        "Merge branch 'develop' into main",
        "Merge branch 'release/1.0'",
        "Merge branch 'dev' into 'main'",
    ],
)
def test_kept_branch_with_direct_commits_only_is_released(repo, read, message):
    repo.commit("Begin")
    repo.branch("develop")
    for number in range(3):
        repo.commit(f"Pushed {number}", hour=number)
    merge = repo.merge(message, "develop", hour=672)
    pulls = read()
    assert [(pull.kind, pull.commits) for pull in pulls if pull.merge_commit_oid == merge] == [
        (ChangeKind.RELEASE, ())
    ]
    changes = {pull.title for pull in pulls if pull.kind == ChangeKind.CHANGE}
    assert changes == {"Begin", "Pushed 0", "Pushed 1", "Pushed 2"}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Merge pull request #5 from acme/develop\n\nT", ChangeKind.RELEASE),
        ("Merge pull request #5 from eve/develop\n\nT", ChangeKind.PULL_REQUEST),
        ("Merge pull request #5 from acme/topic\n\nT", ChangeKind.PULL_REQUEST),
        ("Merge branch 'develop' of https://github.com/eve/app", ChangeKind.PULL_REQUEST),
        ("Merge remote-tracking branch 'eve/develop'", ChangeKind.PULL_REQUEST),
        (
            "Merge branch 'develop' into 'develop'\n\nT\n\nSee merge request acme/app!5",
            ChangeKind.PULL_REQUEST,
        ),
    ],
)
def test_only_a_kept_branch_of_the_repository_itself_is_released(repo, read, message, kind):
    repo.git("remote", "add", "origin", "https://github.com/acme/app.git")
    repo.commit("Begin")
    repo.branch("topic")
    repo.commit("Work", hour=2)
    repo.merge(message, "topic", hour=5)
    assert read()[0].kind == kind


@pytest.mark.parametrize(
    "message", ["Merge branch 'main' of github.com:acme/app", "Sync with main"]
)
@pytest.mark.parametrize("since", [None, 11, 25, 38])
def test_own_pull_request_keeps_its_commit_when_the_trunk_is_pulled_onto_it(
    repo, read, message, since
):
    repo.commit("Begin", hour=1)
    repo.branch("local")
    mine = repo.commit("Mine", hour=10)
    merge = repo.merge("Merge pull request #4 from acme/mine\n\nMine", "local", hour=30)
    repo.git("checkout", "--quiet", "local")
    repo.commit("Mine too", hour=20)
    repo.merge(message, "main", into="local", hour=40)
    repo.git("branch", "--force", "main", "local")
    repo.git("checkout", "--quiet", "main")
    pulls = read() if since is None else read(since=at(since))
    landed = {pull.title: pull for pull in pulls}
    assert len(landed) == len(pulls)
    expected = {"Begin": 1, "Mine too": 20, "Mine": 30}
    assert set(landed) == {
        title for title, hour in expected.items() if since is None or hour >= since
    }
    if "Mine" in landed:
        own = landed["Mine"]
        assert (own.merge_commit_oid, own.number, own.kind) == (
            merge,
            4,
            ChangeKind.PULL_REQUEST,
        )
        assert [commit.oid for commit in own.commits] == [mine]
        assert own.created_at == at(10)


def test_trunk_of_a_fork_merged_by_hand_is_a_pull_request(repo, read):
    repo.commit("Begin")
    repo.branch("fork")
    repo.commit("Work of a fork", hour=5)
    topic(repo, 1)
    repo.merge("Merge branch 'main' of https://github.com/eve/app", "fork", hour=30)
    merged, *_ = pulls = read()
    assert [pull.kind for pull in pulls] == [
        ChangeKind.PULL_REQUEST,
        ChangeKind.PULL_REQUEST,
        ChangeKind.CHANGE,
    ]
    assert [commit.message for commit in merged.commits] == ["Work of a fork"]


def test_branch_that_has_all_of_the_trunk_was_not_the_trunk(repo, read):
    repo.commit("Begin")
    repo.branch("topic")
    repo.commit("Fix it (#77)", hour=1)
    repo.git("checkout", "--quiet", "main")
    repo.commit("Pushed", hour=2)
    repo.merge("Merge branch 'main' into topic", "main", into="topic", hour=3)
    repo.commit("More work", hour=4)
    repo.merge("Take over the work", "topic", hour=5)
    merged, *others = read()
    assert (merged.kind, merged.title) == (ChangeKind.PULL_REQUEST, "Take over the work")
    assert [pull.title for pull in others] == ["Pushed", "Begin"]


def test_issue_numbers_in_commits_of_a_branch_are_no_pull_requests(repo, read):
    repo.commit("Begin")
    repo.branch("topic")
    repo.commit("Start it (#77)", hour=1)
    repo.commit("End it (#78)", hour=2)
    repo.merge("Merge pull request #80 from acme/topic\n\nDo it", "topic", hour=9)
    pull, _ = read()
    assert (pull.number, pull.kind, len(pull.commits)) == (80, ChangeKind.PULL_REQUEST, 2)


def test_pull_request_into_a_branch_counts_with_its_own_commits(repo, read):
    repo.commit("Begin")
    repo.branch("epic")
    topic(repo, 1, into="epic")
    repo.commit("On the epic itself", hour=20)
    repo.merge("Merge pull request #9 from acme/epic\n\nEpic", "epic", hour=30)
    epic, inner, _ = read()
    assert (epic.number, epic.kind) == (9, ChangeKind.RELEASE)
    assert [commit.message for commit in epic.commits] == ["On the epic itself"]
    assert (inner.number, [commit.message for commit in inner.commits]) == (1, ["Work on 1"])


def import_project(repo, message, hour=50, into="main", name="lib"):
    """Merge another project's history, which began long ago, into a folder or beside."""
    repo.git("checkout", "--quiet", "--orphan", name)
    repo.git("rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
    for hours in (-120_000, -110_000):
        repo.commit(
            f"Theirs {hours} of {name}",
            {f"{name}{-hours}.txt": "1\n2\n"},
            hour=hours,
            author=("Stranger", "s@lib.example"),
        )
    repo.git("checkout", "--quiet", "--force", into)
    repo.git(
        "merge",
        "--quiet",
        "--no-ff",
        "--allow-unrelated-histories",
        "-m",
        message,
        name,
        hour=hour,
    )


@pytest.mark.parametrize(
    "message", ["Merge remote-tracking branch 'lib/main'", "Add 'lib/' from commit 'abc1234'"]
)
def test_history_of_another_project_is_a_change_of_its_importer(repo, read, message):
    repo.commit("Begin", hour=1)
    import_project(repo, message)
    imported, begin = read()
    assert (imported.kind, imported.author.name, begin.title) == (
        ChangeKind.CHANGE,
        "Ann Lee",
        "Begin",
    )
    assert (imported.created_at, imported.merged_at) == (at(50), at(50))
    assert imported.commits == ()
    assert (imported.additions, imported.lines_left_out) == (0, 4)


def test_later_imports_of_the_same_project_are_left_out_in_any_window(repo, root, read):
    repo.commit("Begin", hour=1)
    import_project(repo, "Add 'lib/' from commit 'abc1234'")
    repo.git("checkout", "--quiet", "lib")
    repo.commit(
        "Theirs, later", {"late.txt": "1\n"}, hour=55, author=("Stranger", "s@lib.example")
    )
    repo.merge("Merge commit 'abc1234' into main", "lib", hour=60)
    for since in (None, 58):
        pulls = read() if since is None else read(since=at(since))
        assert (pulls[0].kind, pulls[0].commits, pulls[0].author.name) == (
            ChangeKind.CHANGE,
            (),
            "Ann Lee",
        )


def test_pull_request_with_an_import_counts_its_own_work_only(repo, read):
    repo.commit("Begin", hour=1)
    repo.branch("topic")
    repo.commit("Make room", {"mine.txt": "1\n"}, hour=40)
    import_project(repo, "Add 'lib/' from commit 'abc1234'", into="topic")
    repo.merge("Merge pull request #4 from acme/topic\n\nVendor lib", "topic", hour=60)
    pull = read()[0]
    assert (pull.number, pull.author.name, pull.created_at, pull.opening_known) == (
        4,
        "Ann Lee",
        at(40),
        True,
    )
    assert [commit.message for commit in pull.commits] == [
        "Make room",
        "Add 'lib/' from commit 'abc1234'",
    ]
    assert (pull.additions, pull.lines_left_out) == (1, 4)


@pytest.mark.parametrize("date", ["@0 +0000", "@86400 +0000", "@4102444800 +0000"])
def test_dates_that_no_clock_can_show_are_none(repo, read, date):
    repo.commit("Begin", hour=1)
    repo.branch("topic")
    repo.commit("Work", hour=10)
    repo.git("commit", "--quiet", "--amend", "--no-edit", f"--date={date}", hour=10)
    repo.merge("Merge pull request #1 from acme/topic\n\nT", "topic", hour=12)
    pull = read()[0]
    assert (pull.created_at, pull.merged_at, pull.opening_known) == (at(10), at(12), True)
    assert pull.commits[0].authored_at == at(10)


def test_branch_is_not_opened_before_it_left_the_trunk(repo, read):
    repo.commit("Begin", hour=100)
    repo.branch("topic")
    repo.commit("Written long ago", hour=-50_000, committed=110)
    repo.merge("Merge pull request #1 from acme/topic\n\nT", "topic", hour=120)
    pull = read()[0]
    assert (pull.created_at, pull.opening_known) == (at(100), False)


def test_squash_of_one_date_has_no_known_opening(repo, read):
    repo.commit("Begin", hour=1)
    repo.commit("One date (#1)", hour=5)
    repo.commit("Two dates (#2)", hour=5, committed=9)
    two, one, _ = read()
    assert (one.opening_known, one.created_at, one.merged_at) == (False, at(5), at(5))
    assert (two.opening_known, two.created_at, two.merged_at) == (True, at(5), at(9))


def test_generated_and_vendored_files_are_left_out_of_sizes(repo, read):
    rules = "gen/** linguist-generated\n*.dat -diff\nsub/package-lock.json -linguist-generated\ndeps/* linguist-vendored=true\n"
    repo.commit("Begin", {".gitattributes": rules, "crlf.txt": "1\n2\n3\n"}, hour=1)
    lines = "line\n" * 100
    files = {
        "mine.py": "1\n2\n",
        "gen/a.py": lines,
        "table.dat": lines,
        "deps/x.js": lines,
        "package-lock.json": lines,
        "node_modules/y.js": lines,
        "app/vendor/z.rb": lines,
        "sub/package-lock.json": "1\n",
        "a.min.js": lines,
        "crlf.txt": "1\r\n2\r\n3\r\n",
    }
    repo.commit("Add it (#1)", files, hour=2)
    pull = read()[0]
    assert (pull.additions, pull.deletions) == (3, 0)
    assert pull.lines_left_out >= 600 - 100  # git may show no lines of a file without a diff
    assert pull.commits[0].additions == 3


def test_nested_rules_of_generated_files_count(repo, read):
    repo.commit("Begin", {"web/.gitattributes": "*.ts linguist-generated=true\n"}, hour=1)
    repo.commit("Add it (#1)", {"web/a.ts": "1\n", "a.ts": "1\n2\n"}, hour=2)
    assert read()[0].additions == 2


FORMS = {
    "gitlab": (
        "Merge branch 'topic-{0}' into 'main'\n\nTitle {0}\n\nSee merge request acme/api!{0}",
        "Title {0} (!{0})",
    ),
    "github": ("Merge pull request #{0} from acme/topic-{0}\n\nTitle {0}", "Title {0} (#{0})"),
    "gerrit": (
        'Merge "Title {0}"\n\nReviewed-on: https://r.example.com/c/api/+/{0}',
        "Title {0}\n\nChange-Id: I"
        + "a" * 40
        + "\nReviewed-on: https://r.example.com/c/api/+/{0}",
    ),
    "bitbucket": (
        "Merged in topic-{0} (pull request #{0})\n\nTitle {0}",
        "Title {0} (pull request #{0})",
    ),
}


@pytest.mark.parametrize("forge", FORMS)
def test_five_thousand_landings_of_a_forge_are_found(repo, read, forge):
    merged, squashed = FORMS[forge]
    stream, count = [], 5000
    for number in range(1, count + 1):
        who = f"committer P{number % 20} <p{number % 20}@example.com> {START + number * 600} +0000"
        later = f"committer P{number % 20} <p{number % 20}@example.com> {START + number * 600 + 300} +0000"
        content = [
            f"M 644 inline d{number % 50}/f{number % 700}.txt",
            "data <<E",
            str(number),
            "E",
        ]
        if number % 2 or number == 2:
            stream += [
                "commit refs/heads/main",
                later,
                "data <<E",
                squashed.format(number),
                "E",
                *content,
            ]
        else:
            stream += ["reset refs/heads/topic", "from refs/heads/main", ""]
            stream += ["commit refs/heads/topic", who, "data <<E", "Work on it", "E", *content]
            stream += ["commit refs/heads/main", later, "data <<E", merged.format(number), "E"]
            stream += ["merge refs/heads/topic", *content]
    repo.git("fast-import", "--quiet", given="\n".join([*stream, ""]).encode())
    pulls = read()
    assert numbers(pulls) == list(range(1, count + 1))
    assert len(pulls) == count
    known = {pull.number for pull in pulls if pull.opening_known}
    assert known == set(range(4, count + 1, 2))
