"""Finds every regular expression of the product, and writes texts that make a careless
one slow.

A repetition is slow in two ways. Two repetitions that match the same characters give a
text that fails at its end a square, or an exponential, number of ways to be tried; and
a search that starts again at each character of a long run walks the run as often as it
has characters. `attacks` writes both: for each repetition of a pattern, the text that
leads to it, the repeated part many times, and an end that doesn't match.
"""

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from re import _constants as kinds  # the parser that `re` itself uses; its trees give the texts
from re import _parser as parser
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("apps", "project")
# What a file may use of `re`. All else (`re.sub(…)`, `re.match(…)`) hides a pattern
# without a name.
HARMLESS = {
    "compile",
    "escape",
    "Pattern",
    "Match",
    "IGNORECASE",
    "DOTALL",
    "MULTILINE",
    "ASCII",
    "VERBOSE",
    "error",
}


def sources():
    """Yield the path of every module of the product, without migrations."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def nameless_patterns():
    """Return the places that use `re` otherwise than by compiling a pattern at the top
    of a module.
    """
    return [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        for line in _hidden(ast.parse(path.read_text()))
    ]


def _hidden(tree):
    aliases = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "re"
        for alias in node.names
        if alias.name == "compile"
    }
    at_top = {
        id(node)
        for statement in tree.body
        if _is_plain(statement)
        for node in ast.walk(statement)
    }
    # A helper such as `_footer(name)` compiles what a table at the top asks for.
    helpers = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and _called_at_top(node.name, tree.body)
    }
    inside = {
        id(node)
        for statement in tree.body
        if isinstance(statement, ast.FunctionDef) and statement.name in helpers
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        is_module = (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "re"
        )
        if is_module and node.attr not in HARMLESS:
            yield node.lineno
        compiles = isinstance(node, ast.Call) and (
            (isinstance(node.func, ast.Name) and node.func.id in aliases)
            or ast.unparse(node.func) == "re.compile"
        )
        if compiles and id(node) not in at_top and id(node) not in inside:
            yield node.lineno


def _is_plain(statement):
    return isinstance(statement, ast.Assign | ast.AnnAssign)


def _called_at_top(name, body):
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for statement in body
        if _is_plain(statement)
        for node in ast.walk(statement)
    )


@cache
def patterns():
    """Return every compiled pattern of the product: {"module:NAME": [pattern, …]}, of
    tables all that they hold.
    """
    found = {}
    for package in PACKAGES:
        root = importlib.import_module(package)
        names = [each.name for each in pkgutil.walk_packages(root.__path__, f"{package}.")]
        for name in sorted(
            name
            for name in names
            if ".migrations" not in name and not name.startswith("apps.commands")
        ):
            module = importlib.import_module(name)
            assigned = _assigned(module)
            for variable, value in vars(module).items():
                held = list(dict.fromkeys(_held(value))) if variable in assigned else []
                if held:
                    found[f"{name}:{variable}"] = held
    return found


def _assigned(module):
    """Return the names that a module assigns itself, as opposed to those that it
    imports.
    """
    names = set()
    for statement in ast.parse(Path(module.__file__).read_text()).body:
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        parts = [part for target in targets if target is not None for part in ast.walk(target)]
        names |= {part.id for part in parts if isinstance(part, ast.Name)}
    return names


def _held(value, depth=4) -> Iterator[re.Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth == 0 or isinstance(value, type | str | bytes):
        return
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _held(each, depth - 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _held(each, depth - 1)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _held(getattr(value, field.name, None), depth - 1)


def methods_used():
    """Return which methods each module calls on its own pattern names: {"module:NAME":
    {"fullmatch", …}}.
    """
    used = {}
    for path in sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
            ".__init__"
        )
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and hasattr(re.Pattern, node.attr)
            ):
                used.setdefault(f"{module}:{node.value.id}", set()).add(node.attr)
    return used


# Texts that are hard on many patterns, by what is repeated.
NASTY = (
    "a",
    "A1",
    "0",
    " ",
    "\t",
    "\n",
    "-",
    "_",
    ".",
    ",",
    "/",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "{",
    "*",
    "#",
    "`",
    "'",
    '"',
    ":",
    "=",
    "@",
    "!",
    "|",
    "~",
    "─",
    "🤖 ",
    "—",
    "é",
    "\u00a0",
    "“",
    "<!--",
    "](",
    "a.",
    "a-",
    "a@",
    "1.",
    "1,",
    "- ",
    "token=",
    "https://",
    "eyJa.",
    "Co-authored-by: ",
    "#1 ",
    "' (#1) from ",
    "<a",
    "&page=1",
    "\r\n",
    "```\n",
    "\u0316\u0300",
    "\u0f73",
)
# The second end is for what reads to the end of a text, the third for what reads to the
# end of a line.
ENDS = ("", "\x00x", "\n\x00x")


class Attack(NamedTuple):
    """A text by its parts: what leads to the repetition, the part that is repeated, and
    the end.
    """

    start: str
    piece: str
    end: str

    def written(self, size):
        """Return the text with about `size` characters."""
        return self.start + self.piece * (size // len(self.piece) + 1) + self.end


def attacks(pattern):
    """Yield what would take a careless pattern long."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    whole = _example(tree)
    starts = sorted({"", whole, *_leading(tree)})
    for piece in sorted({whole, *_repeated(tree)} - {""}):
        for start in starts:
            for end in ENDS:
                yield Attack(start, piece, end)
    for piece in NASTY:
        yield Attack("", piece, ENDS[1])


def _leading(tree):
    """Yield what leads to each repetition, from the start of the pattern."""
    before = ""
    for node in tree:
        kind, value = node
        if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            yield before
            for inner in _leading(value[2]):
                yield before + inner
        elif kind is kinds.SUBPATTERN:
            for inner in _leading(value[3]):
                yield before + inner
        elif kind is kinds.BRANCH:
            for branch in value[1]:
                for inner in _leading(branch):
                    yield before + inner
        before += _example([node])


def _repeated(tree):
    """Yield one round of each repetition, and of each two that follow each other."""
    rounds = []
    for kind, value in tree:
        if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            rounds.append(_example(value[2]))
            yield from _repeated(value[2])
        elif kind is kinds.SUBPATTERN:
            yield from _repeated(value[3])
        elif kind is kinds.ATOMIC_GROUP:
            yield from _repeated(value)
        elif kind is kinds.BRANCH:
            for branch in value[1]:
                yield from _repeated(branch)
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            yield from _repeated(value[1])
    yield from rounds
    for first, second in pairwise(rounds):
        yield first + second


def _example(tree):
    """Return a short text that a part of a pattern matches, with each repetition at
    least once.
    """
    return "".join(_of_node(kind, value) for kind, value in tree)


def _of_node(kind, value):
    if kind is kinds.LITERAL:
        return chr(value)
    if kind in (kinds.NOT_LITERAL, kinds.ANY):
        return "b" if value == ord("a") else "a"
    if kind is kinds.IN:
        return _of_class(value)
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
        return _example(value[2]) * max(1, min(value[0], 40))
    if kind is kinds.SUBPATTERN:
        return _example(value[3])
    if kind is kinds.ATOMIC_GROUP:
        return _example(value)
    if kind is kinds.BRANCH:
        return _example(value[1][0])
    return ""


def _of_class(members):
    key = str(members)
    if key not in _EXAMPLES:
        compiled = re._compiler.compile(_tree_of([(kinds.IN, members)]))
        _EXAMPLES[key] = next((one for one in CANDIDATES if compiled.fullmatch(one)), "a")
    return _EXAMPLES[key]


_EXAMPLES: dict[str, str] = {}
CANDIDATES = "a1 -_.A/\n─:;@#é\x01"


def _tree_of(data):
    state = parser.State()
    state.str = ""
    return parser.SubPattern(state, data)
