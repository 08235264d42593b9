"""Histories of clones, and changes to them: each function makes one in a repository of
`Builder`.

CHANGES["amended"](builder)     after begin(builder)
"""

from tests.integrations.git.conftest import BEN


def begin(builder):
    """Make five pull requests (two merges, three squashes) and a direct commit."""
    builder.commit("Begin", {"a.txt": "1\n"}, hour=1)
    for number in (1, 2):
        builder.branch(f"topic-{number}")
        builder.commit(
            f"Work on {number}", {f"t{number}.txt": "1\n2\n"}, hour=number * 10, author=BEN
        )
        message = f"Merge pull request #{number} from acme/topic-{number}\n\nTitle {number}"
        builder.merge(message, f"topic-{number}", hour=number * 10 + 5)
    for number in (3, 4, 5):
        builder.commit(
            f"Squash {number} (#{number})", {f"s{number}.txt": "1\n"}, hour=number * 10
        )


def amended(builder):
    builder.git("commit", "--amend", "-m", "Squash five (#5)", hour=51)


def dropped(builder):
    """Rebase the trunk to drop one landing."""
    builder.git("rebase", "--quiet", "--onto", "HEAD~2", "HEAD~1", hour=60)


def reset(builder):
    builder.git("reset", "--quiet", "--hard", "HEAD~3")


def mailmap(builder):
    text = "Benjamin Roe <ben@acme.example> <7+ben@users.noreply.github.com>\n"
    builder.commit("Name Ben", {".mailmap": text}, hour=60)


def attributes(builder):
    builder.commit(
        "Name what is generated", {".gitattributes": "t1.txt linguist-generated\n"}, hour=60
    )


def renamed(builder):
    builder.git("branch", "--move", "main", "stable-line")


def moved(builder):
    builder.git("remote", "add", "origin", "https://github.com/acme/api.git")


def foxtrot(builder):
    builder.branch("feature", "main~2")
    builder.commit("Mine", {"mine.txt": "1\n"}, hour=70)
    builder.merge("Sync with main", "main", into="feature", hour=72)
    builder.git("branch", "--force", "main", "feature")
    builder.git("checkout", "--quiet", "main")


def released(builder):
    """Merge develop, on which three pull requests landed, into main."""
    builder.branch("develop")
    for number in (11, 12, 13):
        builder.branch(f"topic-{number}", "develop")
        builder.commit(f"Work on {number}", {f"t{number}.txt": "1\n"}, hour=number * 10)
        message = f"Merge pull request #{number} from acme/topic-{number}\n\nTitle {number}"
        builder.merge(message, f"topic-{number}", into="develop", hour=number * 10 + 5)
    builder.merge("Merge branch 'develop' into main", "develop", hour=200)


def imported(builder):
    """Merge the history of another project."""
    builder.git("checkout", "--quiet", "--orphan", "lib")
    builder.git("rm", "-r", "--quiet", "--force", ".")
    builder.commit(
        "Their first", {"lib.txt": "1\n"}, hour=-100_000, author=("Stranger", "s@lib.example")
    )
    builder.git("checkout", "--quiet", "--force", "main")
    builder.git(
        "merge",
        "--quiet",
        "--no-ff",
        "--allow-unrelated-histories",
        "-m",
        "Merge remote-tracking branch 'lib/main'",
        "lib",
        hour=80,
    )


def forges(builder):
    """Squash as GitLab, Gerrit, and a fork of another organization do."""
    builder.commit("Add a door (!32)", {"door.txt": "1\n"}, hour=81, author=BEN)
    trailers = "Change-Id: I0123456789012345678901234567890123456789\nReviewed-on: https://review.acme.example/c/33"
    builder.commit(f"Add a window\n\n{trailers}", {"window.txt": "1\n"}, hour=82)
    builder.commit("Add a roof (acme/house#34)", {"roof.txt": "1\n"}, hour=83, author=BEN)


def undated(builder):
    """Merge a commit that was written at the beginning of time."""
    builder.branch("undated")
    builder.commit("Of 1970", {"undated.txt": "1\n"}, hour=-490_000, committed=84)
    builder.merge("Merge pull request #35 from acme/undated\n\nUndated", "undated", hour=85)


def aliases(builder):
    """Land changes of one person under three addresses, and of a bot with an account
    like a person's.
    """
    for number in (36, 37, 38):
        author = ("Cleo Fox", f"cleo-{number}@acme.example")
        builder.commit(
            f"Squash {number} (#{number})",
            {f"s{number}.txt": "1\n"},
            hour=number + 50,
            author=author,
        )
    bot = ("k8s-ci-robot", "20407524+k8s-ci-robot@users.noreply.github.com")
    builder.commit("Squash 39 (#39)", {"s39.txt": "1\n"}, hour=90, author=bot)


CHANGES = {
    change.__name__: change
    for change in (
        *(
            amended,
            dropped,
            reset,
            mailmap,
            attributes,
            renamed,
            moved,
            foxtrot,
            released,
            imported,
        ),
        *(forges, undated, aliases),
    )
}
