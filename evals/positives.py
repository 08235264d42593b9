"""Cases in which AI wrote, by a mark that the tool leaves or by the author's own words.
Each: what stands there, and why.

`SEEN` re-enacts marks of real commits that were found after the rules were written: the
marking line is as it stood, all other words are new. `MADE` are of the rules' own
kinds. `WORDS` say it in prose, which markers do not read.
"""

# (marking lines, why it counts)
SEEN: tuple[tuple[str, str], ...] = (
    (
        "Co-Authored-By: Claude Opus 4.7 (1M context) <noreply@anthropic.com>",
        "a model's name with its window in brackets",
    ),
    (
        "Co-Authored-By: Claude Opus 5 (1M context) <noreply@anthropic.com>",
        "the same of a later model",
    ),
    (
        "Co-Authored-By: Claude Opus 5.5 <noreply@anthropic.com>",
        "a model that was not known when the rules were written",
    ),
    (
        "Co-Authored-By: Claude Opus 4.8 <noreply@anthropic.com>",
        "the tool's address with a version",
    ),
    ("Co-Authored-By: Claude Sonnet 4.6 <noreply@anthropic.com>", "another family of models"),
    (
        "Co-Authored-By: Claude Sonnet 4.5 <noreply@anthropic.com>",
        "another family of models, older",
    ),
    (
        "Co-authored-by: Claude Opus 4.6 <noreply@anthropic.com>",
        "GitHub's own spelling of the trailer",
    ),
    (
        "Co-Authored-By: Claude Fable 5 <noreply@anthropic.com>\nClaude-Session: https://claude.ai/code/session_01VWHYP1Wscx",
        "a new family, with the session's address below it",
    ),
    (
        "Claude-Session: https://claude.ai/code/session_01HLu4MZHKyECaWzAHVT47eN",
        "the session's address alone",
    ),
    (
        "🤖 Generated with [Claude Code](https://claude.com/claude-code)\n\nCo-Authored-By: Claude <noreply@anthropic.com>",
        "footer and trailer together",
    ),
    (
        "🤖 Generated with [Claude Code](https://claude.com/claude-code)",
        "the footer alone, as pull requests have it",
    ),
    (
        "Generated with [Claude Code](https://claude.ai/code)",
        "the footer with the older address and no emoji",
    ),
    (
        "Co-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>",
        "the command-line tool's number",
    ),
    (
        "Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>",
        "the editor's number",
    ),
    ("Co-authored-by: GitHub Copilot <copilot@github.com>", "the tool's address"),
    (
        "Co-authored-by: copilot-swe-agent[bot] <198982749+Copilot@users.noreply.github.com>",
        "the coding agent's number",
    ),
    ("Co-authored-by: Cursor <cursoragent@cursor.com>", "the tool's address"),
    ("Co-authored-by: Cursor Agent <agent@cursor.com>", "another address of the tool"),
    (
        "Co-authored-by: Cursor <noreply@cursor.sh>",
        "the tool's whole name with an address that was not known",
    ),
    (
        "Co-Authored-By: Devin <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
        "the agent's number",
    ),
    (
        "Co-authored-by: Devin AI <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
        "the same by another name",
    ),
    (
        "Co-authored-by: Devin AI <devin-ai-integration[bot]@users.noreply.github.com>",
        "the agent's login without its number",
    ),
    (
        "Generated with [Devin](https://devin.ai)\n\n"
        "Co-Authored-By: Devin <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
        "footer and trailer together",
    ),
    ("*Generated with [Devin](https://devin.ai)*", "the footer in italics"),
    ("Generated with [Devin](https://cli.devin.ai/docs)", "the command line's footer"),
    (
        "Co-authored-by: google-labs-jules[bot] <161369871+google-labs-jules[bot]@users.noreply.github.com>",
        "the agent's number",
    ),
    ("Co-authored-by: Aider <noreply@aider.chat>", "the tool's address"),
    ("Co-authored-by: aider (gpt-5) <aider@aider.chat>", "another address, with the model"),
    (
        "Co-authored-by: aider (gpt-4) <noreply@aider.chat>",
        "the tool's address, with the model",
    ),
    ("Co-Authored-By: Codex <noreply@openai.com>", "the maker's address"),
    ("Co-authored-by: Codex <codex@openai.com>", "the tool's address"),
    ("Co-authored-by: ChatGPT <noreply@openai.com>", "another product of the maker"),
    ("Co-Authored-By: Gemini 2.5 Flash (MOG Pilot)", "a model's name without an address"),
    (
        "Co-Authored-By: Gemini <noreply@google.com>",
        "the product's whole name with an address of its maker",
    ),
    ("Co-authored-by: Gemini 3 <gemini-code-assist@google.com>", "a model's name"),
    (
        "Co-authored-by: OpenCode <opencode@ai.local>",
        "the product's whole name with an address made up by its user",
    ),
    (
        "Amp-Thread-ID: https://ampcode.com/threads/T-019c90c6-c261-75dd-be9e-48cc2e28ccdb",
        "the thread's address",
    ),
    (
        "Co-authored-by: Amp <amp@ampcode.com>\nAmp-Thread-ID: https://ampcode.com/threads/T-652c6d27-8ae1-4e61-923d-a4d400",
        "trailer and thread",
    ),
    ("Assisted-by: Claude:claude-sonnet-4-5", "a kernel's form: product and model"),
    (
        "Assisted-by: Claude:claude-opus-4-7 Sashiko:claude-haiku-4-5",
        "two products in one trailer",
    ),
    ("Assisted-by: Claude:claude-fable-5", "the form with a new model"),
    ("Assisted-by: Codex:GPT-5.5", "another product in that form"),
    ("Assisted-by: Codex:GPT-6", "the same with a new model"),
    ("Assisted-by: OpenCode:qwen3.6-plus", "a product with somebody else's model"),
    ("Assisted-by: Claude Code:claude-sonnet-4-6", "a product's name of two words"),
    ("Assisted-by: Claude Code", "a product without its model"),
    (
        "Assisted-by: Kimi-K2-Thinking via Crush <crush@charm.land>",
        "the address tells the tool whatever the model",
    ),
    ("💘 Generated with Crush", "the tool's footer, with its own emoji"),
    ("Assisted-by: Gemini CLI:gemini-3-pro", "a command-line product and its model"),
    (
        "Co-Authored-By: Gemini 2.5 Pro <noreply@google.com>",
        "a model's name with its maker's address",
    ),
)

MADE: tuple[tuple[str, str], ...] = (
    ("co-authored-by: claude <NOREPLY@ANTHROPIC.COM>", "letters of any case"),
    (
        "Co-authored-by: claude[bot] <209825114+claude[bot]@users.noreply.github.com>",
        "the app's number",
    ),
    ("🤖 Co-authored-by: Claude <noreply@anthropic.com>", "an emoji before the trailer"),
    ("Co-authored-by: openhands <openhands@all-hands.dev>", "the agent's address"),
    ("Co-authored-by: gemini-cli <gemini-cli-agent@google.com>", "the command line's address"),
    ("Co-authored-by: opencode <noreply@opencode.ai>", "the tool's address"),
    ("🤖 Generated with [opencode](https://opencode.ai)", "the tool's footer"),
    ("Co-authored-by: Cline <noreply@cline.bot>", "the tool's address"),
    ("Co-authored-by: droid <droid@factory.ai>", "the tool's address"),
    ("Co-authored-by: Antigravity <antigravity@google.com>", "the tool's address"),
    ("Co-authored-by: Grok <grok@x.ai>", "the tool's address"),
    ("Co-authored-by: Crush <crush@charm.land>", "the tool's address"),
    ("Assisted-by: GitHub Copilot", "a product in the kernel's form, without a model"),
    ("AI-assisted-by: Cursor", "the form with a prefix"),
    ("Generated-by: ChatGPT", "another trailer of that kind"),
    ("Assisted-by: Aider", "another product"),
    (
        "https://claude.ai/code/session_01Fs5vHiWaUebe826pGq4eCN",
        "the session's address as a line of its own",
    ),
    (
        "Link to Devin run: https://app.devin.ai/sessions/0a1b2c3d",
        "the session's address, introduced",
    ),
    ("https://chatgpt.com/codex/tasks/task_e_6841f", "the task's address"),
    (
        "PR created automatically by Jules for task [12](https://jules.google.com/task/12) started by @ada",
        "the task's address",
    ),
    ("Replit-Commit-Author: Agent", "the editor's own trailer"),
    ("<!-- START COPILOT CODING AGENT SUFFIX -->", "the agent's mark in a body"),
    ("<!-- CURSOR_AGENT_PR_BODY_BEGIN -->", "the agent's mark in a body"),
    ("Co-authored-by: Windsurf Cascade <windsurf@example.com>", "the product's whole name"),
    ("_Generated with [Claude Code](https://claude.ai/code)_", "the footer in italics"),
)

# Prose in which an author says so: for the model; by markers these are misses.
WORDS: tuple[tuple[str, str], ...] = (
    (
        "Built with Claude Code; I steered it and read every line.",
        "said in prose, with the product's name",
    ),
    (
        "This patch was produced by an LLM; I checked every line and ran the tests.",
        "said in prose, without a product",
    ),
    (
        "I let ChatGPT draft the parser and cleaned it up afterwards.",
        "said in prose, of a part",
    ),
    ("AI disclosure: used GitHub Copilot for the test cases.", "said under a heading"),
)
