"""What can be checked of the deployment's files without a Docker engine or systemd: that what they start exists."""

import re
import shlex

import pytest
from django.core.management import get_commands, load_command_class

from tests.pipelines.conftest import ROOT

COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNITS = sorted((ROOT / "deploy").glob("*.service"))


def commands():
    """The arguments of each `manage.py` call in compose.yaml and the units, without its instance's name."""
    listed = [re.findall(r'[^\s",\[\]]+', line) for line in re.findall(r"command: \[(python, .+)\]", COMPOSE)]
    for unit in UNITS:
        starts = re.findall(r"^Exec\w+=(.+)$", unit.read_text(), re.MULTILINE)
        listed += [shlex.split(line.replace("%i", "sync")) for line in starts]
    return [words[words.index("manage.py") + 1 :] for words in listed if "manage.py" in words]


def test_there_are_commands_to_check():
    assert len(commands()) >= 6


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_takes_its_arguments(words):
    command, *arguments = words
    load_command_class(get_commands()[command], command).create_parser("manage.py", command).parse_args(arguments)


def test_what_the_image_copies_is_there_and_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _target = line.split()
        for source in sources:
            assert (ROOT / source).exists()
            assert source in allowed


def test_nothing_runs_as_root():
    assert re.search(r"^USER firstlight$", DOCKERFILE, re.MULTILINE)
    assert all("\nUser=firstlight\n" in unit.read_text() for unit in UNITS)
