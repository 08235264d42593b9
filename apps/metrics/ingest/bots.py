"""Decide by their names which accounts are bots: one rule for GitHub and for clones.

    is_bot_account("renovate-bot", "")               True: "bot" is a word of its own
    is_bot_account("k8s-ci-robot", "")               True
    is_bot_account("talbot", "Lyle Talbot")          False: it is part of a word
    is_bot_account("jan", "Jan Bot")                 False: a family name
    suspicion("acme-deploy", "")                     its name has the word “deploy”

GitHub marks its apps as bots, but many bots are accounts of users. An admin decides
what the rule can't know (`apps.metrics.accounts.bot_decisions`); the accounts that
`suspicion` finds are suggested to them.
"""

from functools import lru_cache

# Not spaces: a login that has some is the name of a signature without an address.
SEPARATORS = str.maketrans(dict.fromkeys(" \t", "~") | dict.fromkeys("._+-/", " "))
# A "robot" alone is also a nickname.
BOT_WORDS = frozenset({"bot", "bots"})
ROBOT_WORDS = frozenset({"robot", "robots", "autobot"})
KNOWN_BOTS = frozenset(
    {
        "allcontributors",
        "bors",
        "brewtestbot",
        "claassistant",
        "codecov",
        "codecov-io",
        "copilot",
        "copybara-service",
        "coveralls",
        "dependabot",
        "dependabot-preview",
        "facebook-github-tools",
        "fossabot",
        "github-actions",
        "github-merge-queue",
        "googlebot",
        "greenkeeper",
        "highfive",
        "imgbot",
        "kodiakhq",
        "mergify",
        "nixpkgs-merge-bot",
        "openshift-merge-robot",
        "pre-commit-ci",
        "pyup-bot",
        "r-ryantm",
        "release-please",
        "renovate",
        "rust-highfive",
        "rust-log-analyzer",
        "rust-timer",
        "rustbot",
        "semantic-release",
        "stickler-ci",
        "tensorflower-gardener",
        "web-flow",
        "weblate",
    }
)
# Words of accounts that programs work with. Alone they make no account a bot.
SERVICE_WORDS = frozenset(
    {
        "autobuild",
        "autodeploy",
        "automation",
        "automerge",
        "autorelease",
        "build",
        "buildkite",
        "builds",
        "cd",
        "ci",
        "circleci",
        "deploy",
        "deployer",
        "deployment",
        "gitops",
        "jenkins",
        "machine",
        "mergebot",
        "pipeline",
        "publisher",
        "release",
        "releaser",
        "releases",
        "robot",
        "service",
        "svc",
        "sync",
        "syncer",
        "updater",
    }
)
# Family names that end in "bot".
NAMES_IN_BOT = ("abbot", "cabot", "corbot", "jabot", "rabot", "sabot", "talbot", "turbot")


@lru_cache(maxsize=4096)
def is_bot_account(login: str, name: str = "") -> bool:
    """Return whether an account is a bot by its login, or by its name if that is one
    word.
    """
    bare = account_name(login)
    if login.endswith("[bot]") or name.endswith("[bot]") or bare in KNOWN_BOTS:
        return True
    return _has_bot_word(bare) or (" " not in name and _has_bot_word(name.lower()))


@lru_cache(maxsize=4096)
def suspicion(login: str, name: str = "") -> str:
    """Return why an account that isn't a bot by the rule may be one; empty if nothing
    hints at it.
    """
    bare = account_name(login)
    for word in bare.translate(SEPARATORS).split():
        if word in SERVICE_WORDS:
            return f"its name has the word “{word}”"
        if word.endswith("bot") and not word.endswith(NAMES_IN_BOT):
            return "its name ends in “bot”"
    words = name.lower().split()
    if words and words[-1] in BOT_WORDS | ROBOT_WORDS:
        return f"its name ends in “{words[-1]}”"
    return ""


def account_name(login: str) -> str:
    """Return a login in lower case without the mark of an address (`ann~1a2b3c4d`) and
    of an app (`[bot]`).
    """
    return login.rpartition("~")[0].lower() or login.lower().removesuffix("[bot]")


def _has_bot_word(text: str) -> bool:
    words = text.translate(SEPARATORS).split()
    if not BOT_WORDS.isdisjoint(words):
        return True
    # "robot" counts only next to another word, because alone it is a nickname.
    return len(words) > 1 and not ROBOT_WORDS.isdisjoint(words)
