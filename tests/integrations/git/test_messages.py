import time

import pytest

from apps.integrations.sources.git.messages import is_back_merge, read_message


@pytest.mark.parametrize(
    ("message", "number", "title", "head_ref"),
    [
        (
            "Merge pull request #12 from org/feature/x\n\nThe title\n\nBody",
            12,
            "The title",
            "feature/x",
        ),
        ("Merge pull request #12 from org/main\n\nThe title", 12, "The title", "main"),
        ("Merge pull request #12 from org/x", 12, "Merge pull request #12 from org/x", "x"),
        (
            "Merge pull request #7 in PRJ/repo from ~ann/fix to main\n\n* commit 'a1':\n  Do it\n  Start it",
            7,
            "Do it",
            "~ann/fix",
        ),
        ("Merge pull request 77 from feature/x into main\n\nDo it", 77, "Do it", "feature/x"),
        ("Do it (!32)", 32, "Do it", ""),
        ("Do it (org/repo#44)", 44, "Do it", ""),
        (
            "Do it\n\nSee merge request https://git.example.com/g/p/-/merge_requests/34",
            34,
            "Do it",
            "",
        ),
        (
            "Do it\n\nWhy.\n\nChange-Id: I"
            + "a" * 40
            + "\nReviewed-on: https://r.example.com/c/app/+/91",
            91,
            "Do it",
            "",
        ),
        ("Do it\n\nReviewed-on: https://r.example.com/91\nReviewed-by: Ann", 91, "Do it", ""),
        ("Do it\n\nReviewed-on: https://git.example.com/o/r/pulls/44", 44, "Do it", ""),
        (
            "Do it\n\nReviewed By: ann\n\nDifferential Revision: https://p.example.com/D123",
            123,
            "Do it",
            "",
        ),
        ("Do it\n\nDifferential Revision: D123", 123, "Do it", ""),
        ("Pull request #7: Do it\n\nMerge in PRJ/repo from a to b", 7, "Do it", ""),
        ("Merged in feature/y (pull request #5)\n\nThe title", 5, "The title", "feature/y"),
        ("Do it (pull request #5)", 5, "Do it", ""),
        ("Merged PR 77: Do it", 77, "Do it", ""),
        (
            "Merge bitcoin/bitcoin#31000: test: do it\n\nabc test: do it (ann)",
            31000,
            "test: do it",
            "",
        ),
        ("Merge #1234: Do it", 1234, "Do it", ""),
        ("Merge #99\n\n99: Do it r=ann a=ben\n\nBody", 99, "Do it r=ann a=ben", ""),
        ("Auto merge of #500 - ann:fix-it, r=ben\n\nDo it", 500, "Do it", "fix-it"),
        ("Merge pull request 'Do it' (#3) from ann/x into main", 3, "Do it", "ann/x"),
        (
            "Merge branch 'x' into 'main'\n\nDo it\n\nCloses #2\n\nSee merge request group/sub/proj!34",
            34,
            "Do it",
            "x",
        ),
        (
            "Merge branch 'x' into 'main'\n\nSee merge request !34",
            34,
            "Merge branch 'x' into 'main'",
            "x",
        ),
        ("Do it\n\nSee merge request group/proj!34\n", 34, "Do it", ""),
        ("Do it (#123)", 123, "Do it", ""),
        ("Do it (#12) (#13)", 13, "Do it (#12)", ""),
        ('Revert "Do it (#12)" (#13)\n\nReverts o/r#12', 13, 'Revert "Do it (#12)"', ""),
    ],
)
def test_a_number_makes_a_pull_request_merged_or_squashed(message, number, title, head_ref):
    for is_merge in (True, False):
        told = read_message(message, is_merge=is_merge, trunk="main")
        assert (told.is_pull_request, told.number, told.title, told.head_ref) == (
            True,
            number,
            title,
            head_ref,
        )


@pytest.mark.parametrize(
    "message",
    [
        "Do it",
        "Do it\n\nSee Reviewed-on: https://r.example.com/91",
        "Do it\n\nDifferential Revision: soon",
        "Fix #12",
        "Fix (#12) and more",
        "(#12)",
        'Revert "Do it (#12)"',
        'Revert "Merge pull request #12 from o/x"',
        "Do it (#99999999999)",
        "Do it (#4294967296)",
        "Do it (#0)",
        "Do it (#\u0661\u0662)",
        "Do it\n\n> See merge request g/p!3",
        "",
    ],
)
def test_a_commit_without_a_number_is_a_change(message):
    told = read_message(message, is_merge=False, trunk="main")
    assert (told.is_pull_request, told.number) == (False, None)
    assert told.title


@pytest.mark.parametrize(
    ("message", "head_ref"),
    [
        ("Merge branch 'feature/x'", "feature/x"),
        ("Merge branch 'feature/x' into main", "feature/x"),
        ("Merge branch 'x' of https://example.com/fork", "x"),
        ("Merge remote-tracking branch 'origin/feature/x'", "feature/x"),
        ("Merge branches 'a', 'b' and 'c'", "a, b, c"),
        ("Merge tag 'v1.0' of https://example.com/fork", "v1.0"),
        ("Merge commit 'abcdef'", ""),
        ("Integrate the thing", ""),
        ("Merge branch 'it's'", ""),
    ],
)
def test_a_merge_without_a_number_is_a_pull_request_without_one(message, head_ref):
    told = read_message(message, is_merge=True, trunk="main")
    assert (told.is_pull_request, told.number, told.head_ref) == (True, None, head_ref)
    assert told.title == message


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Merge branch 'main'", True),
        ("Merge branch 'main' of github.com:o/r", True),
        ("Merge branch 'main' of github.com:o/r into main", True),
        ("Merge branch 'master' of github.com:o/r", True),
        ("Merge branch 'main' into topic", True),
        ("Merge branch 'dev/next' of github.com:o/r", True),
        ("Merge branch 'upstream:main' into main", True),
        ("Merge remote-tracking branch 'upstream/main'", True),
        ("Merge remote-tracking branch 'origin/dev/next' into dev/next", True),
        ("Merge branches 'main' and 'master'", True),
        ("Merge branch 'main' into 'main'", False),
        ("Merge branch 'main' into 'feature'", True),
        ("Merge branch 'release/main'", False),
        ("Merge branches 'main' and 'x'", False),
        ("Merge remote-tracking branch 'origin/x'", False),
        ("Merge tag 'main'", False),
        ("Merge pull request #1 from fork/main", False),
        ("Merge main", False),
    ],
)
def test_what_a_back_merge_is(subject, expected):
    assert is_back_merge(subject, "dev/next") is expected


def test_titles_have_no_control_characters_and_an_end():
    told = read_message(
        "A \x1b[31mred\x07 <b>title</b>" + "x" * 3000, is_merge=False, trunk="main"
    )
    assert told.title.startswith("A  [31mred  <b>title</b>xxx")
    assert len(told.title) == 500
    assert told.title.endswith("…")


@pytest.mark.parametrize(
    "subject",
    [
        "Merge branch " + "'a' and " * 100_000 + "!",
        "Merge branches " + "'a', " * 150 + "'b",
        "a" + " " * 900 + "(#",
        "a " * 480 + "(#1",
        "x" * 2_000_000 + " (#1)",
        "Merge pull request '" + "' (#1) " * 120,
    ],
)
def test_no_message_takes_long(subject):
    began = time.process_time()
    read_message(subject, is_merge=True, trunk="main")
    read_message("t\n\n" + "See merge request " + "!1" * 500_000, is_merge=True, trunk="main")
    is_back_merge(subject, "main")
    assert time.process_time() - began < 1
