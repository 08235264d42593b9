"""The check that refuses templates with lines that are too long."""

from scripts.check_templates import MOST, MOST_OF_NINE_IN_TEN, problems, templates


def test_the_templates_pass():
    assert len(templates()) > 150
    assert problems(templates()) == []


def test_a_line_that_is_too_long_is_named():
    text = "short\n" * 20 + "x" * (MOST + 1) + "\n"
    assert problems([("a.html", text)]) == [f"a.html:21: {MOST + 1} characters, at most {MOST}"]


def test_a_few_long_lines_pass_and_many_fail():
    long = "x" * (MOST_OF_NINE_IN_TEN + 1) + "\n"
    assert problems([("a.html", "short\n" * 95 + long * 5)]) == []
    [found] = problems([("a.html", "short\n" * 80 + long * 20)])
    assert "nine in ten" in found


def test_no_templates_have_no_problems():
    assert problems([]) == []
