"""What counts as an explicit marker and, just as much, what does not."""

import time

import pytest
from django.db import transaction

from apps.metrics.ai.apply_markers import correct
from apps.metrics.ai.markers import MARKERS_VERSION, CommitText, read_markers
from apps.metrics.factories import PullRequestFactory, RepositoryFactory
from apps.metrics.models import PullRequest
from apps.metrics.records import PersonData

HUMAN = PersonData("alice", "Alice", 101)
CLAUDE = "Co-Authored-By: Claude <noreply@anthropic.com>"


def read(body="", *, title="Fix paging", head_ref="topic", author=HUMAN, commits=()):
    return read_markers(title, body, head_ref, author, commits)


def commit(message="Work", author=HUMAN, name="", email=""):
    return CommitText("0123456789abcdef", message, author, name, email)


TRAILERS = [
    (CLAUDE, "claude"),
    ("co-authored-by: claude <NOREPLY@anthropic.com>", "claude"),
    ("Co-authored-by: Claude Opus 4.5 <noreply@anthropic.com>", "claude"),
    ("Co-authored-by: Claude Sonnet 4.6 <someone@else.example>", "claude"),
    ("🤖 Co-authored-by: Claude <noreply@anthropic.com>", "claude"),
    ("Co-authored-by: claude[bot] <209825114+claude[bot]@users.noreply.github.com>", "claude"),
    ("Co-authored-by: claude[bot] <41898282+claude[bot]@users.noreply.github.com>", "claude"),
    ("Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>", "copilot"),
    ("Co-authored-by: Copilot <copilot@github.com>", "copilot"),
    (
        "Co-authored-by: copilot-swe-agent[bot] <198982749+Copilot@users.noreply.github.com>",
        "copilot",
    ),
    ("Co-authored-by: Cursor <cursoragent@cursor.com>", "cursor"),
    ("Co-authored-by: Cursor Agent <cursoragent@cursor.com>", "cursor"),
    (
        "Co-authored-by: chatgpt-codex-connector[bot] <199175422+chatgpt-codex-connector[bot]@users.noreply.github.com>",
        "codex",
    ),
    ("Co-authored-by: Codex <noreply@openai.com>", "codex"),
    (
        "Co-authored-by: devin-ai-integration[bot] <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
        "devin",
    ),
    ("Co-authored-by: openhands <openhands@all-hands.dev>", "openhands"),
    ("Co-authored-by: gemini-cli <gemini-cli-agent@google.com>", "gemini"),
    (
        "Co-authored-by: google-labs-jules[bot] <161369871+google-labs-jules[bot]@users.noreply.github.com>",
        "jules",
    ),
    ("Co-authored-by: aider (gpt-4o) <noreply@aider.chat>", "aider"),
    ("Co-authored-by: Amp <amp@ampcode.com>", "amp"),
    ("Co-authored-by: opencode <noreply@opencode.ai>", "opencode"),
    (
        "Co-authored-by: Marvin Context Protocol <41898282+Marvin\n Context Protocol@users.noreply.github.com>",
        "marvin",
    ),
    ("Assisted-by: Claude Opus 4.5", "claude"),
    ("Assisted-by: GitHub Copilot", "copilot"),
    ("AI-assisted-by: Cursor", "cursor"),
    ("Generated-by: ChatGPT", "codex"),
]

FOOTERS = [
    ("🤖 Generated with [Claude Code](https://claude.com/claude-code)", "claude"),
    ("Generated with [Claude Code](https://claude.ai/code)", "claude"),
    ("🤖 Generated with Claude Code", "claude"),
    ("_Generated with [Claude Code](https://claude.ai/code)_", "claude"),
    (
        "🤖 Generated with [Claude Code](https://claude.ai/code) via [Happy](https://happy.engineering)",
        "claude",
    ),
    ("https://claude.ai/code/session_01Fs5vHiWaUebe826pGq4eCN", "claude"),
    ("🤖 Generated with [opencode](https://opencode.ai)", "opencode"),
    ("Generated with [Devin](https://cli.devin.ai/docs)", "devin"),
    ("Link to Devin run: https://app.devin.ai/sessions/0a1b2c", "devin"),
    ("https://chatgpt.com/codex/tasks/task_e_68", "codex"),
    ("<!-- START COPILOT CODING AGENT SUFFIX -->", "copilot"),
    ("<!-- CURSOR_AGENT_PR_BODY_BEGIN -->", "cursor"),
    (
        "PR created automatically by Jules for task [12](https://jules.google.com/task/12)",
        "jules",
    ),
    ("Amp-Thread-ID: https://ampcode.com/threads/T-1", "amp"),
    ("Replit-Commit-Author: Agent", "replit"),
]


@pytest.mark.parametrize(("line", "tool"), TRAILERS + FOOTERS)
def test_an_explicit_line_counts_in_a_commit_and_in_a_body(line, tool):
    text = f"Fix paging\n\nThe cursor skipped a row.\n\n{line}\n"
    for verdict in (read(text), read(commits=[commit(text)]), read(text.replace("\n", "\r\n"))):
        assert (verdict.ai_assisted, verdict.tools) == (True, (tool,))
        assert verdict.evidence[0].line in line
        assert verdict.evidence[0].tier == "A"


@pytest.mark.parametrize(
    ("author", "tool"),
    [
        (PersonData("Copilot", "", 198982749), "copilot"),
        (PersonData("Copilot[bot]", is_bot=True), "copilot"),
        (PersonData("copilot-swe-agent[bot]", is_bot=True), "copilot"),
        (PersonData("Claude[bot]", is_bot=True), "claude"),
        (PersonData("claude", "", 209825114), "claude"),
        (PersonData("cursor[bot]", is_bot=True), "cursor"),
        (PersonData("devin-ai-integration[bot]", is_bot=True), "devin"),
        (PersonData("google-labs-jules[bot]", is_bot=True), "jules"),
        (PersonData("chatgpt-codex-connector[bot]", is_bot=True), "codex"),
        (PersonData("openhands-agent"), "openhands"),
        (PersonData("renamed", "", 158243242), "devin"),
        (PersonData("marvin-context-protocol[bot]", is_bot=True), "marvin"),
    ],
)
def test_an_agent_s_account_counts_as_author_and_as_commit_author(author, tool):
    assert read(author=author).tools == (tool,)
    assert read(commits=[commit(author=author)]).tools == (tool,)


@pytest.mark.parametrize(
    ("name", "email", "tool"),
    [
        ("copilot-swe-agent[bot]", "", "copilot"),
        ("marvin-context-protocol[bot]", "", "marvin"),
        ("Copilot", "", "copilot"),
        ("Claude", "noreply@anthropic.com", "claude"),
        ("Cursor Agent", "cursoragent@cursor.com", "cursor"),
        ("Alice Smith (aider)", "alice@example.com", "aider"),
        (
            "devin-ai-integration[bot]",
            "158243242+devin-ai-integration[bot]@users.noreply.github.com",
            "devin",
        ),
    ],
)
def test_a_commit_without_an_account_counts_by_name_and_address(name, email, tool):
    assert read(commits=[commit(author=None, name=name, email=email)]).tools == (tool,)


SUGGESTED = [
    "Co-authored-by: Copilot Autofix powered by AI <62310815+github-advanced-security[bot]@users.noreply.github.com>",
    "Co-authored-by: gemini-code-assist[bot] <176961590+gemini-code-assist[bot]@users.noreply.github.com>",
    "Co-authored-by: coderabbitai[bot] <136622811+coderabbitai[bot]@users.noreply.github.com>",
]


@pytest.mark.parametrize("line", SUGGESTED)
def test_a_suggestion_that_was_applied_is_kept_but_not_counted(line):
    verdict = read(f"Fix\n\n{line}")
    assert (verdict.ai_assisted, verdict.tools) == (False, ())
    assert [one.axis for one in verdict.evidence] == ["suggested"]


def test_a_suggestion_does_not_hide_what_was_written():
    assert read(f"Fix\n\n{SUGGESTED[0]}\n{CLAUDE}").tools == ("claude",)


@pytest.mark.parametrize(
    "line",
    [
        "<!-- CURSOR_SUMMARY -->",
        "## Summary by CodeRabbit",
        "<!-- release notes by coderabbit.ai -->",
    ],
)
def test_a_description_by_ai_is_not_code_by_ai(line):
    verdict = read(f"Fix\n\n{line}\nIt pages.")
    assert not verdict.ai_assisted
    assert [one.axis for one in verdict.evidence] == ["described"]


@pytest.mark.parametrize(
    ("head_ref", "tool"),
    [
        ("copilot/fix-1", "copilot"),
        ("claude/fix-2", "claude"),
        ("cursor/paging", "cursor"),
        ("codex/x", "codex"),
    ],
)
def test_a_branch_is_a_hint(head_ref, tool):
    verdict = read(head_ref=head_ref)
    assert not verdict.ai_assisted
    assert [(one.tool, one.tier) for one in verdict.evidence] == [(tool, "B")]


@pytest.mark.parametrize(
    "line",
    ["🤖 Generated with Codex", "Generated with Codex.", "🤖 Generated with GPT-5.2-Codex"],
)
def test_a_footer_that_no_tool_writes_by_itself_is_a_hint(line):
    verdict = read(f"Fix\n\n{line}")
    assert not verdict.ai_assisted
    assert {one.tier for one in verdict.evidence} == {"B"}


NOTHING = {
    "no text": "",
    "a person called Claude": "Co-authored-by: Claude Dupont <claude.dupont@example.com>",
    "a person called just Claude": "Co-authored-by: Claude <claude@example.com>",
    "the person whose login is claude": "Co-authored-by: Claude <81847+claude@users.noreply.github.com>",
    "a person called Devin": "Co-authored-by: Devin Rivera <devin@example.com>",
    "a person called Jules": "Co-authored-by: Jules <jules@example.com>",
    "a person called Cody": "Co-authored-by: Cody <cody@example.com>",
    "a person called Marvin": "Co-authored-by: Marvin <marvin@example.com>",
    "a company's address": "Co-authored-by: Dana <dana@anthropic.com>",
    "a database cursor": "Close the cursor.\n\nThe database cursor was left open after a rollback.",
    "a bump of an SDK": "Bump anthropic from 0.40 to 0.48\n\nAlso updates openai and google-genai.",
    "a renovate table": "| Package | Change |\n|---|---|\n| @anthropic-ai/claude-code | 1.0 -> 1.1 |",
    "a negation": "No AI was used in this pull request.",
    "a disclosure of none": "### AI disclosure\n\nNone. Not generated with Claude Code.",
    "a box that is not ticked": "- [ ] Generated with Claude Code",
    "a question": "Generated with Claude Code? No.",
    "a table row": "| Generated with Claude Code | no |",
    "a trailer in prose": f"We now add `{CLAUDE}` to each commit.",
    "a trailer in a sentence": f"The hook appends\n{CLAUDE}\nto every message of the bot.",
    "a trailer that is announced": f"Messages should end like this:\n\n{CLAUDE}",
    "a quoted trailer": f"> {CLAUDE}\n\nPlease leave this out.",
    "a fenced trailer": f"An example:\n\n```\nFix\n\n{CLAUDE}\n```\n",
    "an indented trailer": f"An example:\n\n    Fix\n\n    {CLAUDE}\n",
    "a trailer in a hidden comment": f"<!--\nAdd, if it applies:\n\n{CLAUDE}\n-->",
    "a regular expression": r"PATTERN = re.compile(r'co-authored-by: claude|generated with \[?claude code')",
    "docs of a footer": 'The footer "Generated with [Claude Code](https://claude.com/claude-code)" is now optional.',
    "prose after a footer's words": "Generated with Claude Code is a footer that we no longer want.",
    "a link to the docs": "See https://docs.anthropic.com/claude-code and https://claude.ai/code for details.",
    "a link to a session of somebody's": "I tried https://app.devin.ai/sessions/1 and gave up.",
    "a generated file": "Generated-by: protoc 25.1",
    "a helpful colleague": "Assisted-by: Claude Martin <claude.martin@example.com>",
    "assisted by nobody": "Assisted-by: none",
    "code of another tool": "Generated by openapi-generator",
    "a review that is mentioned": "Address Codex review feedback\n\n* Apply suggestion from @Copilot",
    "a sponsor list": "Sponsors: Cursor, Anthropic, OpenAI, Devin",
    "an instructions file": "Add CLAUDE.md and AGENTS.md\n\nThey describe the layout for coding agents.",
    "thanks": "Thanks to Claude and Jules for the report.",
    "an editor's bot": "Co-authored-by: dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
    "a CLI's release robot": "Co-authored-by: gemini-cli-robot <gemini-cli-robot@google.com>",
    "somebody signing off": "Signed-off-by: Claude Monet <claude@example.org>",
}


@pytest.mark.parametrize("body", NOTHING.values(), ids=NOTHING)
def test_these_are_no_markers(body):
    for verdict in (read(body), read(commits=[commit(body)])):
        assert (verdict.ai_assisted, verdict.tools) == (False, ())
        assert not [one for one in verdict.evidence if one.tier == "A" and one.axis == "wrote"]


@pytest.mark.parametrize(
    "author",
    [
        PersonData("claude", "Claude", 81847),
        PersonData("devin"),
        PersonData("jules", "Jules"),
        PersonData("codex"),
        PersonData("dependabot[bot]", is_bot=True),
        PersonData("abbot"),
        None,
    ],
)
def test_these_are_no_agents(author):
    assert not read(author=author, commits=[commit(author=author)]).evidence


def test_a_revert_that_quotes_the_original_is_not_marked():
    body = f"Reverts acme/api#12\n\nOriginal message:\n\nAdd paging\n\n{CLAUDE}"
    assert not read(body, title='Revert "Add paging"').evidence
    assert read(
        f"This reverts commit abc.\n\n{CLAUDE}", title='Revert "Add paging"'
    ).ai_assisted


def test_a_squash_keeps_the_trailers_of_its_commits():
    body = f"* Add paging\n\nIt pages.\n\n{CLAUDE}\n\n* Fix paging\n\n---------\n\nCo-authored-by: Bob <bob@example.com>"
    assert read(body).tools == ("claude",)


def test_evidence_names_rule_and_place_once():
    verdict = read(
        f"Fix\n\n{CLAUDE}", commits=[commit(f"Fix\n\n{CLAUDE}")], head_ref="claude/fix"
    )
    assert [(one.rule, one.where, one.tier) for one in verdict.evidence] == [
        ("trailer", "body", "A"),
        ("branch", "branch", "B"),
    ]
    assert verdict.evidence[0].as_json() == {
        "rule": "trailer",
        "tool": "claude",
        "tier": "A",
        "axis": "wrote",
        "where": "body",
        "line": CLAUDE,
    }


def test_evidence_is_bounded():
    lines = "\n".join(
        f"Co-authored-by: Claude Opus {n} <noreply@anthropic.com>" for n in range(100)
    )
    assert len(read(lines).evidence) == 20


@pytest.mark.parametrize(
    "body",
    [
        "x" * 2_000_000 + " claude code generated with",
        "generated with claude\n" * 100_000,
        "Co-authored-by: " + "<" * 1_000_000,
        "co-authored-by:" + " " * 1_000_000,
        ("```\n" + CLAUDE + "\n") * 20_000,
        (CLAUDE + "\n") * 40_000,
        "<!-- coderabbit " * 100_000,
        "🤖" * 300_000 + "generated with claude code",
    ],
)
def test_no_body_takes_long(body):
    start = time.process_time()
    read(body)
    assert time.process_time() - start < 2


def test_many_pull_requests_are_read_fast():
    plain = "Fix paging of the list\n\n" + "The page was computed from a stale total. " * 30
    commits = [
        commit("Fix paging\n\nSigned-off-by: Alice <alice@example.com>") for _ in range(4)
    ]
    start = time.process_time()
    for n in range(5000):
        read(plain + (CLAUDE if n % 5 == 0 else ""), commits=commits)
    assert (
        time.process_time() - start < 2
    )  # 100,000 in 40 s on a machine under load, a tenth of it alone


def test_a_correction_reads_only_its_own_pull_request(db, django_assert_max_num_queries):
    repository = RepositoryFactory()
    pulls = PullRequestFactory.create_batch(3, repository=repository, markers_version=0)
    with django_assert_max_num_queries(40), transaction.atomic():
        correct(pulls[0], True, "", None)
    versions = (
        PullRequest.objects.across_teams()
        .order_by("pk")
        .values_list("markers_version", flat=True)
    )
    assert list(versions) == [MARKERS_VERSION, 0, 0]
