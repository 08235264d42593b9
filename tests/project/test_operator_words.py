"""Names of settings are for operators: the log and the command line show them, pages
and emails never do.
"""

import ast
import re

import pytest

from tests.fixtures.workers import ROOT

VARIABLES = set(
    re.findall(r"^#?\s*([A-Z][A-Z_]{5,})=", (ROOT / ".env.example").read_text(), re.MULTILINE)
)
# What only operators read: commands, checks of the configuration, probes, tools for
# development.
OPERATORS = ("management", "migrations", "sandbox", "supervision", "checks.py", "health.py")
# Messages of commands and of the log in modules that have others as well.
FOR_OPERATORS = {
    "apps/integrations/encryption.py: CREDENTIAL_KEYS",  # rotate_credentials
    "apps/integrations/connections/grants.py: GIT_SOURCE_ROOT",  # grant_source
    "apps/integrations/sources/git/source.py: GIT_SOURCE_ROOT",  # onboard, grant_source
    "apps/integrations/sources/github/source.py: GITHUB_TOKEN",  # onboard
    "apps/metrics/llm/client.py: GROQ_API_KEY",  # details for the log and check_model
    "apps/metrics/llm/client.py: LLM_BASE_URL",
    "apps/metrics/llm/client.py: LLM_MODEL",
    "apps/metrics/llm/trial.py: GROQ_API_KEY",  # check_model
    "apps/metrics/llm/trial.py: LLM_BASE_URL",
    "apps/users/mfa.py: CREDENTIAL_KEYS",
    "apps/users/oidc/sessions.py: OIDC_DOMAINS",
    "templates/mail/list.html: EMAIL_URL",
    "templates/mail/detail.html: EMAIL_URL",
}
LOGGING = ("logger", "logging")


def texts_of(node):
    """Yield the texts below a node that may reach a page: not docstrings, not what is
    logged.
    """
    for child in ast.iter_child_nodes(node):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        is_logged = (
            isinstance(child, ast.Call) and ast.unparse(child.func).split(".")[0] in LOGGING
        )
        if is_docstring or is_logged:
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        yield from texts_of(child)


def found_in(text):
    return [name for name in VARIABLES if re.search(rf"\b{name}\b", text)]


@pytest.mark.parametrize(
    "app", sorted(path.name for path in (ROOT / "apps").iterdir() if path.is_dir())
)
def test_no_message_names_a_setting(app):
    wrong = []
    for path in (ROOT / "apps" / app).rglob("*.py"):
        if set(path.parts) & set(OPERATORS):
            continue
        for text in texts_of(ast.parse(path.read_text())):
            # A bare name is a key, not a sentence.
            wrong += [
                f"{path.relative_to(ROOT)}: {name}" for name in found_in(text) if " " in text
            ]
    assert set(wrong) <= FOR_OPERATORS


def test_no_template_names_a_setting():
    wrong = []
    for path in (ROOT / "templates").rglob("*.*"):
        if "admin" in path.parts:
            continue
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in found_in(path.read_text())]
    assert set(wrong) <= FOR_OPERATORS
