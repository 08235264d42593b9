"""Every regular expression takes time in proportion to its text, whatever the text.

The test finds the patterns itself; a new one fails until it is listed in CLASSED with
the method that it is used with. Each pattern is run on texts made to be slow for it, in
a process that the kernel ends after 2 s of work: a regular expression holds the
interpreter's lock, so nothing inside the process could end it.
"""

import multiprocessing
import signal
import time

import pytest

from apps import masking
from apps.integrations.sources.git.messages import is_back_merge, own_branches, read_message
from apps.integrations.sources.git.origin import read_origin
from apps.integrations.sources.git.people import person
from apps.mail.addresses import address_or_none
from apps.metrics.ai.markers import CommitText, read_markers
from apps.metrics.figures.reverts import is_revert
from apps.metrics.ingest.sanitize import clean_long
from apps.metrics.insights.change_types import change_type
from apps.metrics.llm import answers, texts
from tests.project import patterns

SMALL = 100_000  # characters; compared with twice as many
HARD_STOP = 2.0  # seconds of the process's own work
# A first look takes a short text. Only what costs more than this, in seconds, is
# measured at full size.
FIRST_LOOK, QUICK = 4_000, 0.0002
MOST_GROWTH = 3.0

OURS = "our own text: "
# What each pattern is used with; or, for text that no stranger writes, whose text it
# is.
CLASSED = {
    "apps.analytics.funnel:_PARTICULAR": "sub",
    "apps.integrations.sources.base:_KEY": OURS + "keys of sources",
    "apps.integrations.sources.branches:_LONG_LIVED": "fullmatch",
    "apps.integrations.sources.git.attributes:_ENTRY": "fullmatch",
    "apps.integrations.sources.git.attributes:_MINIFIED": "fullmatch",
    "apps.integrations.sources.git.command:_OID": "fullmatch",
    "apps.integrations.sources.git.command:_REFUSED_TRANSPORT": "search",
    "apps.integrations.sources.git.commits:_SIZE": "fullmatch",
    "apps.integrations.sources.git.messages:_BETWEEN_NAMES": "split",
    "apps.integrations.sources.git.messages:_BITBUCKET_COMMITS": "fullmatch",
    "apps.integrations.sources.git.messages:_BRANCHES": "fullmatch",
    "apps.integrations.sources.git.messages:_CHANGE_ID": "fullmatch",
    "apps.integrations.sources.git.messages:_CONTROL": "sub",
    "apps.integrations.sources.git.messages:_GITHUB_MERGE": "fullmatch",
    "apps.integrations.sources.git.messages:_GITLAB": "fullmatch",
    "apps.integrations.sources.git.messages:_GERRIT_MERGE": "fullmatch",
    "apps.integrations.sources.git.messages:_NUMBERED": "fullmatch",
    "apps.integrations.sources.git.messages:_REVIEWS": "fullmatch",
    "apps.integrations.sources.git.origin:_ODD": "sub",
    "apps.integrations.sources.git.origin:_ODD_PATH": "sub",
    "apps.integrations.sources.git.origin:_SCP": "fullmatch",
    "apps.integrations.sources.git.people:_GITHUB": "fullmatch",
    "apps.integrations.sources.github.issues:_SIGN_ON_PAGE": "search",
    "apps.integrations.sources.github.limits:_TAG": "sub",
    "apps.integrations.sources.github.listing:_PAGE_NUMBER": "search",
    "apps.integrations.sources.github.names:_FULL_NAME": "fullmatch",
    "apps.mail.addresses:_LABEL": "fullmatch",
    "apps.mail.addresses:_LOCAL": "fullmatch",
    "apps.mail.links:_ADDRESS": "search",
    "apps.mail.links:_MARKS": "sub",
    "apps.mail.views:_HEAD": "search",
    "apps.masking:NAME": "search",
    "apps.masking:QUOTED": "match",
    "apps.masking:REST_OF_LINE": "match",
    "apps.masking:SECRET_NAME": "search",
    "apps.masking:SHAPES": "sub",
    "apps.masking:UNQUOTED": "match",
    "apps.masking:_UNSTORABLE": "sub",
    "apps.metrics.insights.change_types:_PREFIX": "match",
    "apps.metrics.figures.reverts:_REVERT_BRANCH": "match",
    "apps.metrics.figures.reverts:_REVERT_TITLE": "match",
    "apps.metrics.llm.answers:_LINK": "sub",
    "apps.metrics.llm.answers:_SPACE": "sub",
    "apps.metrics.llm.limits:_SPAN": "fullmatch",
    "apps.metrics.llm.texts:_LONG_RUN": "sub",
    "apps.metrics.llm.texts:_DIGIT": "search",
    "apps.metrics.llm.texts:_CAPITAL": "search",
    "apps.metrics.llm.texts:_SECRETS": "sub",
    "apps.metrics.llm.wording:_LINK": "search",
    "apps.metrics.llm.wording:_NUMBER": "findall",
    "apps.metrics.llm.wording:_WORD": "findall",
    "apps.metrics.ai.marker_table:AGENTS": "fullmatch",
    "apps.metrics.ai.marker_table:LINES": "fullmatch",
    "apps.metrics.ai.marker_table:_CODERABBIT": "fullmatch",
    "apps.metrics.ai.marker_table:_CUBIC": "fullmatch",
    "apps.metrics.ai.markers:_ADDRESS": "match",
    "apps.metrics.ai.markers:_MAY_FOLLOW": "match",
    "apps.metrics.ai.markers:_NOBODY": "fullmatch",
    "apps.metrics.ai.markers:_NOREPLY": "fullmatch",
    "apps.metrics.ai.markers:_QUOTING": "fullmatch",
    "apps.metrics.ai.markers:_TRAILER": "fullmatch",
    "apps.pipelines.stream.frames:_ID": "fullmatch",
    "apps.pipelines.stream.frames:_LINE_END": "split",
    "apps.sandbox.files:_FILE_NAME": OURS + "a file's name has at most 255 characters",
    "apps.sandbox.history:_NOT_IN_SLUGS": "sub",
    "apps.sandbox.llm:_DIGITS": "findall",
    "apps.sandbox.llm:_DISCLOSURE": "search",
    "apps.sandbox.llm:_LONG_WORD": "findall",
    "apps.sandbox.llm:_SENTENCE_END": "split",
    "apps.sandbox.llm:_TITLE_PREFIX": "sub",
    "apps.sandbox.rest:_PAGE_NUMBER": "fullmatch",
    "apps.sandbox.schema:_CAPITAL": "sub",
    "project.error_reports:_ADDRESS": "sub",
    "project.env:HOST": "fullmatch",
    "project.input:DELIVERY_PATH": "fullmatch",
}
# Indexes over the patterns of a table that is listed.
INDEXES = {
    f"apps.metrics.ai.markers:_BY_{name}" for name in ("EMAIL", "ID", "LOGIN", "BOT_LOGIN")
}
CALLS = {
    "sub": lambda pattern: lambda text: pattern.sub("", text),
    "search": lambda pattern: pattern.search,
    "match": lambda pattern: pattern.match,
    "fullmatch": lambda pattern: pattern.fullmatch,
    "findall": lambda pattern: pattern.findall,
    "split": lambda pattern: pattern.split,
}
# What reads outside text as a whole: patterns apart, loops may be slow as well.
READERS = {
    "body": lambda text: read_markers("t", text, "b", None, ()),
    "title": lambda text: read_markers(text, "", text, None, ()),
    "commit": lambda text: read_markers("t", "b", "b", None, [CommitText("0" * 40, text)]),
    "signature": lambda text: read_markers(
        "t", "b", "b", None, [CommitText("0" * 40, "m", None, text, text)]
    ),
    "revert": lambda text: is_revert(f'Revert "{text}', text),
    "change type": change_type,
    "mask": texts.mask,
    "fit": lambda text: texts.fit(text, len(text)),
    "merge": lambda text: read_message(text, is_merge=True, trunk="main"),
    "own branches": lambda text: own_branches(text, "acme"),
    "back-merge": lambda text: is_back_merge(text, "main"),
    "origin": read_origin,
    "address": address_or_none,
    "person": lambda text: person(text, text),
    "masking": masking.mask,
    "storable": lambda text: masking.storable(text, len(text)),
    "visible": texts.visible,
    "long body": lambda text: clean_long(text * 3),
    "answer": lambda text: answers.check((text,), {}),
}


@pytest.fixture(scope="module", autouse=True)
def _found_once():
    """Find the patterns in this process, so that each process forked from it need not
    search for a second.
    """
    patterns.patterns()


def test_patterns_are_compiled_under_a_name_at_the_top_of_a_module():
    assert patterns.nameless_patterns() == []


def test_every_pattern_is_classed():
    assert {*patterns.patterns()} - INDEXES == {*CLASSED}


def test_the_class_names_the_method_that_the_code_uses():
    used = {
        name: methods for name, methods in patterns.methods_used().items() if name in CLASSED
    }
    expected = {name: {CLASSED[name]} for name in used if not CLASSED[name].startswith(OURS)}
    assert {name: methods for name, methods in used.items() if name in expected} == expected


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [name for name, used in CLASSED.items() if not used.startswith(OURS)]
)
def test_twice_the_text_costs_no_more_than_three_times_the_time(name):
    assert run_apart(check_pattern, name) == "linear"


@pytest.mark.long
@pytest.mark.parametrize("name", READERS)
def test_reading_twice_the_text_costs_no_more_than_three_times_the_time(name):
    assert run_apart(check_reader, name) == "linear"


@pytest.mark.parametrize(
    "careless",
    [
        r"(?:[^\w\s\x00-\x7f]+\s*)*x",
        r"a[^,\s]+.*$",  # slow only if the text has a second line
        # One of each kind is enough for every run; each takes seconds until it is
        # ended.
        pytest.param(r"(a+)+b", marks=pytest.mark.long),
        pytest.param(r"\s+$", marks=pytest.mark.long),
        pytest.param(r"<[^>]*>", marks=pytest.mark.long),
        pytest.param(r"\w+://", marks=pytest.mark.long),
        pytest.param(r"[\w.]*[\s.*_]*\Z", marks=pytest.mark.long),
    ],
)
def test_a_careless_pattern_is_found(careless):
    assert run_apart(check_source, careless) != "linear"


def check_pattern(name, note):
    call = CALLS[CLASSED[name]]
    for pattern in patterns.patterns()[name]:
        check(call(pattern), patterns.attacks(pattern), note)


def check_source(source, note):
    pattern = patterns.re.compile(source)
    check(pattern.search, patterns.attacks(pattern), note)


def check_reader(name, note):
    heads = (
        "",
        "Co-authored-by: x\n",
        "Generated with Claude Code ",
        "Merge branch '",
        "Original message:\n",
        "ssh://h",
    )
    # The heads lead into what reads the texts of pull requests and commits; what masks
    # has none.
    heads = heads if name not in ("mask", "fit", "visible", "masking", "storable") else ("",)
    attacks = [patterns.Attack(head, piece, "!") for head in heads for piece in patterns.NASTY]
    check(READERS[name], attacks, note)


def check(call, attacks, note):
    """Run a call on texts; raises AssertionError if one of them shows more than linear
    growth.
    """
    slowest, attack_of_slowest = QUICK, None
    for attack in attacks:
        note(str(attack)[:200])
        text = attack.written(FIRST_LOOK)
        seconds = timed(call, text)
        if (
            seconds > QUICK
            and timed(call, attack.written(2 * FIRST_LOOK)) > (MOST_GROWTH - 0.5) * seconds
        ):
            check_full_size(call, attack)
        if seconds > slowest:
            slowest, attack_of_slowest = seconds, attack
    if attack_of_slowest is not None:
        check_full_size(call, attack_of_slowest)


def check_full_size(call, attack):
    found = growth(call, attack, SMALL)
    # A machine that does other things gives a false ratio now and then; a true one
    # doesn't get better.
    for _ in range(2):
        if found >= MOST_GROWTH:
            found = min(found, growth(call, attack, SMALL))
    assert found < MOST_GROWTH, f"{found:.1f} times the time on {attack}"


def growth(call, attack, size):
    """Return how many times the time twice the text takes, each the best of five."""
    return timed_best(call, attack.written(2 * size)) / timed_best(call, attack.written(size))


def timed(call, text):
    signal.setitimer(signal.ITIMER_VIRTUAL, HARD_STOP)
    start = time.thread_time()
    call(text)
    seconds = time.thread_time() - start
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return seconds


def first_below(most, measure, tries):
    """Return the first measurement below `most`, or the lowest of all tries."""
    lowest = measure()
    for _ in range(tries - 1):
        if lowest < most:
            break
        lowest = min(lowest, measure())
    return lowest


def timed_best(call, text):
    return min(timed(call, text) for _ in range(5))


def run_apart(check_one, name):
    """Return "linear", what the check found, or on which text the kernel ended it."""
    here, there = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_run, args=(check_one, name, there)
    )
    process.start()
    there.close()
    last = ""
    try:
        while True:
            kind, said = here.recv()
            if kind == "end":
                return said
            last = said
    except EOFError:
        return f"ended after {HARD_STOP} s on {last}"
    finally:
        process.join()
        here.close()


def _run(check_one, name, pipe):
    # No handler of Python's: that one would wait for the lock which the regular
    # expression holds.
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    try:
        check_one(name, lambda text: pipe.send(("text", text)))
    except AssertionError as error:
        pipe.send(("end", str(error)))
    else:
        pipe.send(("end", "linear"))
