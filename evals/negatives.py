"""Hard negatives: cases in which AI did not write, or nothing says that it did, though
words stand there that might mislead.

`SEEN` re-enacts real texts that were found after the rules were written, the misleading
line exact; `MADE` are our own.
"""

# (misleading text, why it does not count)
SEEN: tuple[tuple[str, str], ...] = (
    (
        "Co-authored-by: Copilot Autofix powered by AI <62310815+github-advanced-security[bot]@users.noreply.github.com>",
        "a suggestion of a scanner, applied by a click",
    ),
    (
        "Co-authored-by: Copilot Autofix powered by AI <175728472+Copilot@users.noreply.github.com>",
        "the same suggestion, with the assistant's own number",
    ),
    (
        "Co-authored-by: gemini-code-assist[bot] <176961590+gemini-code-assist[bot]@users.noreply.github.com>",
        "a reviewer's suggestion, applied by a click",
    ),
    (
        "Co-authored-by: coderabbitai[bot] <136622811+coderabbitai[bot]@users.noreply.github.com>",
        "a reviewer's suggestion, applied by a click",
    ),
    ("Co-authored-by: Claude Monet <claude.monet@example.invalid>", "a person called Claude"),
    ("Co-authored-by: Devin Smith <devin@example.invalid>", "a person called Devin"),
    ("Co-authored-by: Ana Raider <ana@example.invalid>", "a name that holds a tool's name"),
    ("Co-authored-by: Devin Weaver <devin@company.com>", "a person called Devin at a company"),
    (
        "Do not add `Co-Authored-By: Claude <noreply@anthropic.com>` to commits of this repository.",
        "a rule about the trailer",
    ),
    (
        "Removes the rule against `Co-Authored-By: Claude` from the contributors' guide.",
        "a guide about the trailer",
    ),
    (
        "- `Co-Authored-By: Claude ...`\n- `Co-Authored-By: Codex ...`\n- `Co-Authored-By: Copilot ...`",
        "a list of forbidden lines",
    ),
    (
        "Adds an explicit rule never to include Generated with Claude Code in pull requests.",
        "a rule about the footer",
    ),
    (
        "No Cursor/AI attribution trailers (`Co-authored-by: Cursor`, `Made-with: Cursor`, or similar).",
        "a rule about trailers",
    ),
    (
        "Avoid footers such as `Generated with [Devin](https://devin.ai)` in commit messages.",
        "a rule about a footer",
    ),
    ("## AI Disclosure\n\nNone", "a disclosure that denies"),
    (
        "**AI Disclosure**:\nThere is no AI usage here; the text and the code are my own.",
        "a disclosure that denies",
    ),
    (
        "- [ ] I have used AI tools to generate the contents of this PR.",
        "an empty box of a template",
    ),
    (
        "- [ ] This PR contains AI-generated content.\n\nTools: {e.g., Claude, Codex, GitHub Copilot, ChatGPT, etc.}",
        "a template that nobody filled",
    ),
    (
        "- [x] I have NOT used any AI tool to generate the contents of this PR.",
        "a ticked box that denies",
    ),
    (
        "- [X] Yes (please explain briefly): Copilot reviewed it and found a missing check",
        "AI reviewed, and did not write",
    ),
    ("No AI was used to write this tool.\nEvery key was pressed by a person.", "a denial"),
    ("By the way, no AI was used here; I prefer to think for myself.", "a denial"),
    (
        "# Generative AI Statement\nNo AI was used for the second part.",
        "a denial under a heading",
    ),
    (
        "## Summary by CodeRabbit\n\n* **Documentation**\n  * Updated the pull request template.",
        "AI described, and did not write",
    ),
    (
        "<!-- This is an auto-generated comment: release notes by coderabbit.ai -->",
        "AI described, and did not write",
    ),
    (
        "<sup>This description was created by </sup>[Ellipsis](https://www.ellipsis.dev) for 6aaff63af1.",
        "AI described",
    ),
    (
        "Bump anthropic to 0.62.0\n\nWhat we want of it is support for claude-opus-4-1.",
        "a package of a maker, raised",
    ),
    ("chore: bump the anthropic SDK and drop our patch of it", "a package of a maker, raised"),
    ("Sets up the Claude Code action, which reviews what people open", "a reviewer is set up"),
    (
        "Updates @yourgpt/copilot-sdk to 1.4.36 and @yourgpt/llm-sdk to 1.5.44.",
        "packages with a tool's name",
    ),
    (
        "Cursor pagination kept the rows of the filter before, and lost some where the sort key repeats.",
        "a cursor of a list",
    ),
    ("Closes a cursor's connection once it is read to its end", "a cursor of a database"),
    (
        "Replaces offset pagination in the LLM Guard endpoint with a base64-encoded (scanned_at, id) cursor.",
        "both words, no author",
    ),
    ("Reads the cursor while the connection is open", "a cursor of a database"),
    (
        "SPDX-License-Identifier: Apache-2.0\nX-Generated-By: Launchpad (canonical.com);",
        "a service's header",
    ),
    ("<!-- generated-by: gsd-doc-writer -->", "a generator that is no model"),
    ("// @generated-by: codd implement", "a generator's note"),
    (
        'ATTRIBUTION_PATTERNS="Co-Authored-By: Claude\\|Co-authored-by: Cursor\\|noreply@anthropic.com"',
        "a pattern that looks for it",
    ),
    (
        "`devin-ai-integration[bot]` commented; the commit is by Ozelot.",
        "a participant, not an author",
    ),
    (
        "Sharing prompts is encouraged: upstream's template asks for AI usage as knowledge.",
        "talk of templates",
    ),
    ("feat: let claude code review what is opened", "a reviewer is set up"),
    ("Set `includeCoAuthoredBy` to false", "a setting that turns the trailer off"),
    ("ci: refuse commits that Claude co-authored", "a workflow against the trailer"),
    ("Reviewed-by: CodeRabbit CLI (local)", "AI reviewed"),
    ("@claude please look at the failing test again", "somebody calls a reviewer"),
    ("Writes down what GPT 5.4 found in its review of two stories.", "AI reviewed"),
    ("Claude Code and Google Jules are missing in the list of tools.", "talk about tools"),
    (
        "Potential fix for code scanning alert no. 26: Workflow does not contain permissions",
        "a scanner's title alone",
    ),
    ('commit.includes("Co-authored-by: coderabbitai[bot]")', "code that looks for it"),
    (
        "The trailer says who: Co-authored-by tells agents apart in git log --format.",
        "talk about trailers",
    ),
    (
        "Co-authored-by: Wentao Ye <44945378+yewentao256@users.noreply.github.com>",
        "a person with a number of GitHub's",
    ),
)

MADE: tuple[tuple[str, str], ...] = (
    ("> Co-Authored-By: Claude <noreply@anthropic.com>", "quoted from somebody else's commit"),
    ("```\nCo-Authored-By: Claude <noreply@anthropic.com>\n```", "an example in a code block"),
    (
        "    Co-Authored-By: Claude <noreply@anthropic.com>\n\nis what the hook should strip.",
        "an indented example",
    ),
    ("> 🤖 Generated with [Claude Code](https://claude.com/claude-code)", "a quoted footer"),
    (
        "The footer 🤖 Generated with [Claude Code](https://claude.com/claude-code) is stripped by the hook now.",
        "within prose",
    ),
    ("Co-authored-by: Claude Dupont <claude.dupont@example.com>", "a person called Claude"),
    (
        "Co-authored-by: Claude <claude@dupont.example>",
        "a person's first name alone, with their own address",
    ),
    ("Co-authored-by: Jules Verne <jules@nautilus.example>", "a person called Jules"),
    ("Co-authored-by: Cody Banks <cody@example.com>", "a person called Cody"),
    ("Co-authored-by: Devin Booker <devin.booker@example.com>", "a person called Devin"),
    ("Co-authored-by: Amp Jones <amp.jones@example.com>", "a person called Amp"),
    ("Reviewed-by: Claude <noreply@anthropic.com>", "AI reviewed"),
    (
        "Co-authored-by: dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
        "a bot that is no model",
    ),
    (
        "Co-authored-by: github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>",
        "a bot that is no model",
    ),
    (
        "Co-authored-by: renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>",
        "a bot that is no model",
    ),
    ("Signed-off-by: Claude Martin <cm@example.com>", "a sign-off of a person"),
    ("Generated with protoc 25.1", "a generator that is no model"),
    (
        "Generated by openapi-generator from the schema of the billing service.",
        "a generator that is no model",
    ),
    (
        "Created with the copilot of the plane in mind: two pilots, two logins.",
        "a copilot of a plane",
    ),
    ("The copilot seat is optional now in the booking form.", "a copilot of a plane"),
    ("Moves the mouse cursor to the field that failed.", "a cursor on a screen"),
    (
        "The Gemini exchange's feed is parsed with the same code as Kraken's.",
        "a place of trade",
    ),
    ("Codex Sinaiticus facsimiles load lazily.", "a book"),
    ("The devin branch of the forecast is merged into main.", "a branch with a person's name"),
    (
        "Answers with GPT partition tables when the disk is larger than 2 TB.",
        "a table of partitions",
    ),
    (
        "Adds Claude to the list of models that the gateway routes to.",
        "a product that talks to models",
    ),
    (
        "The assistant widget calls the Anthropic API through our proxy.",
        "a product that talks to models",
    ),
    (
        "Prompt of the summariser: say that the text was generated with AI.",
        "a product's prompt",
    ),
    ("docs: how to use Copilot with this repository", "a guide about a tool"),
    ("Adds CLAUDE.md and AGENTS.md with our conventions.", "set-up files of a team"),
    ("Removes .cursorrules; nobody uses it.", "set-up files of a team"),
    (
        "This reverts commit 1a2b3c4.\n\n> Co-authored-by: Cursor <cursoragent@cursor.com>",
        "a revert that quotes",
    ),
    ("No part of this was generated with Claude Code.", "a denial"),
    ("AI-assisted-by: none", "a trailer that denies"),
    ("Assisted-by: nobody", "a trailer that denies"),
    ("Assisted-by: Grace Hopper <grace@example.com>", "a person helped"),
    ("Generated-by: make schema", "a build step"),
    ("Sponsors: Anthropic, OpenAI, Cursor, and 12 others", "a list of sponsors"),
    ("Thanks to Claude for the review in person!", "thanks to a person"),
    (
        "- [ ] Generated with Claude Code\n- [x] Written by hand",
        "a form with the other box ticked",
    ),
    (
        "| Tool | Footer |\n| --- | --- |\n| Claude | Generated with Claude Code |",
        "a table about tools",
    ),
    (
        "Fixes the regex `Co-authored-by: .*Copilot.*` of the changelog script.",
        "a pattern that looks for it",
    ),
    ("The windsurf school's booking calendar starts on Monday.", "a sport"),
    ("Renames Amp (electrical current) to Ampere in the sensors.", "a unit"),
    ("The continue button of the wizard works with the keyboard.", "a button"),
    ("Sweep job: deletes blobs that nobody references.", "a job's name"),
    ("Lovable error pages, at last.", "a word of praise"),
    ("v0 of the importer; v1 will stream.", "a version"),
    ("Cline's paper on low-rank updates is cited in the docs.", "an author of a paper"),
    ("Grok patterns of the log parser match IPv6 now.", "a log parser's patterns"),
)
