"""No module or template outside of `apps/integrations/sources/` names a source: each
asks the registry, so that a new source is one folder and one line.
"""

import ast
import re
from pathlib import Path

from apps.integrations.sources import base

ROOT = Path(__file__).resolve().parents[2]
SOURCES = "apps/integrations/sources/"
# The sandbox imitates GitHub, and migrations keep what was.
LEFT_OUT = re.compile(rf"{SOURCES}|apps/sandbox/|.*/migrations/")
# What is no source although it has the name of one.
OTHERS = {
    ("apps/metrics/factories.py", "github"),  # data of tests, as the seed has it
    ("apps/metrics/accounts/joins.py", "git"),  # the name of a machine's user
    ("templates/allauth/elements/provider.html", "github"),  # who signs people in
}
TAG = re.compile(r"\{[%{].*?[%}]\}", re.DOTALL)


def keys():
    return {source.key for source in base.registered()}


def names_in_code(path):
    """Return the sources that a module imports, compares, or looks up."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and node.value in keys():
            found.add(node.value)
        elif isinstance(node, ast.Attribute) and node.attr.isupper():
            found |= {node.attr.lower()} & keys()
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found |= _imported(alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found |= _imported(f"{node.module}.{alias.name}")
    return found


def _imported(module):
    below = module.removeprefix("apps.integrations.sources.")
    return {below.split(".")[0]} & keys() if below != module else set()


def names_in_template(path):
    """Return the sources that a template compares or looks up."""
    found = set()
    for tag in TAG.findall(path.read_text()):
        for word in re.findall(r"[\"'.](\w+)\b", tag):
            found |= {word} & keys()
    return found


def test_only_the_sources_are_named_in_their_folder():
    named = set()
    for path in sorted(ROOT.glob("apps/**/*.py")):
        place = str(path.relative_to(ROOT))
        if not LEFT_OUT.match(place):
            named |= {(place, name) for name in names_in_code(path)}
    for path in sorted(ROOT.glob("templates/**/*.*")):
        place = str(path.relative_to(ROOT))
        if path.suffix in (".html", ".txt"):
            named |= {(place, name) for name in names_in_template(path)}
    assert named - OTHERS == set()
    # An exception that is no longer needed must go.
    assert named >= OTHERS


def test_names_are_found_in_code_and_in_templates(tmp_path):
    code, template = tmp_path / "code.py", tmp_path / "page.html"
    for line in (
        'if connection.source == "github": pass',
        "from apps.integrations.sources.github.errors import GitHubError",
        "from apps.integrations.sources import github",
        "import apps.integrations.sources.github.client",
        "Source.GITHUB",
    ):
        code.write_text(line)
        assert names_in_code(code) == {"github"}
    for line in ('{% if source == "git" %}x{% endif %}', "{{ connected.git }}"):
        template.write_text(line)
        assert names_in_template(template) == {"git"}


def test_every_source_has_the_same_files():
    """The sample is GitHub at another address, so it has the source's class only."""
    for source in base.registered():
        folder = ROOT / SOURCES / source.key
        wanted = {"__init__.py", "source.py"}
        if source.key == source.rows:
            wanted |= {"reader.py", "errors.py"}
        assert wanted <= {path.name for path in folder.iterdir()}


def test_no_source_imports_another_one():
    """Only one with the same repositories may: the sample imports GitHub."""
    for source in base.registered():
        allowed = {source.key, source.rows}
        for path in (ROOT / SOURCES / source.key).glob("**/*.py"):
            imported = set()
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        imported |= _imported(f"{node.module}.{alias.name}")
            assert imported <= allowed, path
