"""Views read input through forms or path converters alone:

`SomeForm(request.POST)`, `SomeQuery(request.GET)`.
"""

import ast
from pathlib import Path

import pytest
from django.http import QueryDict

from apps.forms import ListField, NumberField, QueryForm

ROOT = Path(__file__).resolve().parents[2]
RAW = {"GET", "POST", "FILES"}


def is_allowed(node, parents):
    """Whether `request.POST` is the argument of a form, alone or as `request.POST or
    None`.
    """
    parent = parents[node]
    if isinstance(parent, ast.BoolOp | ast.IfExp):
        node, parent = parent, parents[parent]
    if isinstance(parent, ast.keyword):
        node, parent = parent, parents[parent]
    if not isinstance(parent, ast.Call) or parent.func is node:
        return False
    name = getattr(parent.func, "id", getattr(parent.func, "attr", ""))
    return name.endswith(("Form", "Query"))


def raw_reads(source):
    tree = ast.parse(source)
    parents = {
        child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
    }
    for node in ast.walk(tree):
        is_input = isinstance(node, ast.Attribute) and node.attr in RAW
        if is_input and "request" in ast.unparse(node.value) and not is_allowed(node, parents):
            yield node.lineno


def test_no_view_reads_input_raw():
    paths = [*(ROOT / "apps").rglob("*.py"), *(ROOT / "project").rglob("*.py")]
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in paths
        # The middleware that checks every form, whatever it has.
        if path != ROOT / "project" / "input.py" and "sandbox" not in path.parts
        for line in raw_reads(path.read_text())
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        'request.GET.get("a")',
        'request.POST["a"]',
        "read(self.request.GET)",
        'x = "a" in request.GET',
        "request.FILES",
    ],
)
def test_raw_read_is_found(source):
    assert list(raw_reads(source))


@pytest.mark.parametrize(
    "source",
    ["AForm(request.POST)", "AQuery(request.GET).values", "forms.AForm(request.POST or None)"],
)
def test_form_is_no_raw_read(source):
    assert not list(raw_reads(source))


class Query(QueryForm):
    number = NumberField(least=0, most=2_000_000_000)
    names = ListField(max_count=2, max_length=3)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("0", 0),
        ("007", 7),
        ("2,000,000", 2_000_000),
        (" 5 ", 5),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1e9", None),
        ("1_000", None),
        ("²", None),
        ("٣", None),
        ("NaN", None),
        ("9" * 5000, None),
        ("0" * 12 + "9" * 30, None),
        ("2000000001", None),
    ],
)
def test_number_is_read_or_left_out(text, number):
    assert Query({"number": text}).values["number"] == number


@pytest.mark.parametrize(
    ("query", "names"),
    [("names=a&names=b", ["a", "b"]), ("names=abcd", []), ("", []), ("names=&" * 3, [])],
)
def test_list_is_bounded(query, names):
    assert Query(QueryDict(query)).values["names"] == names
