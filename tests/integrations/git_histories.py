"""Histories of clones, and changes to them: each function makes one in a repository of `Builder`.

CHANGES["amended"](builder)     after begin(builder)
"""

from tests.integrations.git.conftest import BEN


def begin(builder):
    """Make five pull requests (two merges, three squashes) and a direct commit."""
    builder.commit("Begin", {"a.txt": "1\n"}, hour=1)
    for number in (1, 2):
        builder.branch(f"topic-{number}")
        builder.commit(f"Work on {number}", {f"t{number}.txt": "1\n2\n"}, hour=number * 10, author=BEN)
        message = f"Merge pull request #{number} from acme/topic-{number}\n\nTitle {number}"
        builder.merge(message, f"topic-{number}", hour=number * 10 + 5)
    for number in (3, 4, 5):
        builder.commit(f"Squash {number} (#{number})", {f"s{number}.txt": "1\n"}, hour=number * 10)


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
    builder.commit("Name what is generated", {".gitattributes": "t1.txt linguist-generated\n"}, hour=60)


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
    builder.commit("Their first", {"lib.txt": "1\n"}, hour=-100_000, author=("Stranger", "s@lib.example"))
    builder.git("checkout", "--quiet", "--force", "main")
    builder.git("merge", "--quiet", "--no-ff", "--allow-unrelated-histories", "-m",
                "Merge remote-tracking branch 'lib/main'", "lib", hour=80)  # fmt: skip


CHANGES = {
    change.__name__: change
    for change in (amended, dropped, reset, mailmap, attributes, renamed, moved, foxtrot, released, imported)
}
