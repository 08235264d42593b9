"""The deployment's files, checked without a Docker engine or a running systemd.

The image is not built here: its structure is checked, and the step that needs no engine
is run.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import redis
from django.core.management import get_commands, load_command_class

from tests.fixtures.workers import ROOT
from tests.services import free_port, require, wait_until

COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# Lines that end in a backslash go on in the next one.
JOINED = DOCKERFILE.replace("\\\n", " ")
UNITS = sorted((ROOT / "deploy").glob("*.service"))


def commands():
    """The arguments of each `manage.py` call in compose.yaml and the units, without its
    instance's name.
    """
    listed = [
        re.findall(r'[^\s",\[\]]+', line)
        for line in re.findall(r"command: \[(python, .+)\]", COMPOSE)
    ]
    for unit in UNITS:
        starts = re.findall(r"^Exec\w+=(.+)$", unit.read_text(), re.MULTILINE)
        listed += [shlex.split(line.replace("%i", "sync")) for line in starts]
    return [words[words.index("manage.py") + 1 :] for words in listed if "manage.py" in words]


def test_there_are_commands_to_check():
    assert len(commands()) >= 6


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_takes_its_arguments(words):
    command, *arguments = words
    load_command_class(get_commands()[command], command).create_parser(
        "manage.py", command
    ).parse_args(arguments)


def test_what_the_image_copies_is_there_and_not_ignored():
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _target = line.split()
        for source in sources:
            assert (ROOT / source).exists()
            assert source in allowed


def test_nothing_runs_as_root():
    # By number: Kubernetes' runAsNonRoot can't check a name.
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", DOCKERFILE, re.MULTILINE)
    assert all("\nUser=firstlight\n" in unit.read_text() for unit in UNITS)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_exposed_less_than_3(unit):
    program = require("systemd-analyze", "it rates the units")
    command = [program, "security", "--offline=true", "--no-pager", "--threshold=29", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_keep_files_private_and_stop_on_bad_settings(unit):
    lines = unit.read_text().splitlines()
    assert {"UMask=0077", "StateDirectoryMode=0700", "LimitNOFILE=65536", "LimitCORE=0"} <= set(
        lines
    )
    assert "RestartPreventExitStatus=78" in lines


def test_what_units_and_commands_by_hand_share():
    """`deploy/manage` uses the settings and the STATE_DIR of the units, so it meets
    their database.
    """
    script = (ROOT / "deploy" / "manage").read_text()
    for unit in UNITS:
        text = unit.read_text()
        for setting in (
            "EnvironmentFile",
            "WorkingDirectory",
            "User",
            "StateDirectory",
            "UMask",
        ):
            (value,) = re.findall(rf"^{setting}=(.+)$", text, re.MULTILINE)
            assert f"--property={setting}={value}" in script
        given = re.findall(r"^Environment=(.+)$", text, re.MULTILINE)
        # The latter: with an empty settings file, the start is refused, not a start in
        # development mode.
        assert {setting.partition("=")[0] for setting in given} == {
            "STATE_DIR",
            "FIRSTLIGHT_DOTENV",
        }
        for setting in given:
            assert f"--setenv={setting}" in script
    assert os.access(ROOT / "deploy" / "manage", os.X_OK)


def test_web_unit_serves_the_socket_that_systemd_holds():
    """While the service restarts, connections wait in the socket:

    `python -m tests.operations` counts the answers.
    """
    service = (ROOT / "deploy" / "firstlight-web.service").read_text()
    assert "Requires=firstlight-web.socket\n" in service
    assert re.search(r"^ExecStart=.+ -m project\.server --fd 3$", service, re.MULTILINE)
    (address,) = re.findall(
        r"^ListenStream=(.+)$",
        (ROOT / "deploy" / "firstlight-web.socket").read_text(),
        re.MULTILINE,
    )
    assert f"server {address};" in (ROOT / "deploy" / "nginx.conf").read_text()


def test_python_works_without_writable_and_executable_memory():
    """What MemoryDenyWriteExecute= does, by the kernel's own switch, with all that has
    native code.
    """
    switch = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); done = libc.prctl(65, 1, 0, 0, 0)"
    probe = f"{switch}; print(done); import numpy, uvloop, orjson, psycopg, project.asgi; numpy.ones(9).dot(numpy.ones(9))"
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.stdout.strip() == "-1":
        pytest.skip("this kernel has no such switch")
    assert done.returncode == 0, done.stderr


def test_example_sets_no_folder_that_image_and_units_set():
    text = (ROOT / ".env.example").read_text()
    assert not re.search(r"^(STATE_DIR|FORWARDED_ALLOW_IPS)=", text, re.MULTILINE)


def test_image_takes_its_bases_as_arguments():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases == ["${NODE_IMAGE}", "${PYTHON_IMAGE}"]
    assert {"NODE_IMAGE", "PYTHON_IMAGE"} <= set(
        re.findall(r"^ARG (\w+)=", DOCKERFILE, re.MULTILINE)
    )


def test_image_starts_everything_and_compose_starts_each_process():
    (line,) = re.findall(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert json.loads(line)[:3] == ["python", "manage.py", "serve"]
    services = re.split(
        r"^  (?=[\w-]+:$)", COMPOSE.partition("\nservices:\n")[2], flags=re.MULTILINE
    )
    own = [service for service in services if "<<:" in service]
    assert len(own) == 6
    assert all("\n    command: [" in service for service in own), (
        "none runs the image's default"
    )


def test_image_keeps_no_secret():
    """Keys for collectstatic are made within its one command; none is an argument or a
    variable of the image.
    """
    settings = re.findall(r"^(?:ENV|ARG) (.+)$", DOCKERFILE, re.MULTILINE)
    assert not any(re.search("SECRET|KEY|PASSWORD|TOKEN", setting) for setting in settings)


def test_static_files_are_collected_as_in_the_image(tmp_path):
    """The image's last RUN line, in a copy of what the image has."""
    for name in ("manage.py", "apps", "project", "templates", "static"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source, tmp_path / name)
    (tmp_path / "node_modules").symlink_to((ROOT / "node_modules").resolve())
    (line,) = re.findall(
        r"^RUN (python -m compileall.+?manage\.py collectstatic --no-input)",
        JOINED,
        re.MULTILINE,
    )
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FIRSTLIGHT_DOTENV": "0",
    }
    shell = line.replace("/tmp/build", str(tmp_path / "build"))
    # A test that imports the ASGI application makes this process's new files private.
    done = subprocess.run(
        ["sh", "-ec", shell],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "staticfiles" / "staticfiles.json").exists()
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "staticfiles").rglob("*")}
    assert modes <= {0o644, 0o755}, "other users can read them"


def test_composition_trusts_its_own_gateway_alone():
    (gateway,) = re.findall(r"gateway: ([\d.]+)", COMPOSE)
    assert re.findall(r"FORWARDED_ALLOW_IPS: (\S+)", COMPOSE) == [gateway]
    published = re.findall(r'ports: \["(.+?)"\]', COMPOSE)
    assert published == ["127.0.0.1:8000:8000"]


def test_composition_puts_no_password_into_an_address_or_an_argument():
    assert not re.search(r"://\S*\$\{\w*PASSWORD", COMPOSE)
    assert "--requirepass" not in COMPOSE


def test_valkey_s_command_asks_for_the_password():
    """The composition's own shell line, with Redis, which takes the same settings."""
    program = require("redis-server", "it stands in for Valkey")
    (shell,) = re.findall(r">-\n((?: +.+\n){2})", COMPOSE)
    port = free_port()
    shell = (
        " ".join(shell.split())
        .replace("$$", "$")
        .replace("exec valkey-server", f"exec {program}")
    )
    command = f"{shell} --port {port} --bind 127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        env = {"PATH": os.environ["PATH"], "REDIS_PASSWORD": "of-this-test"}
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=folder, env=env, start_new_session=True
        )
        try:
            with (
                redis.Redis(port=port, password="of-this-test") as known,
                redis.Redis(port=port) as unknown,
            ):
                wait_until(known.ping, redis.ConnectionError, process)
                with pytest.raises(redis.AuthenticationError):
                    unknown.ping()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@pytest.mark.parametrize("name", ["SECURITY.md", "CONTRIBUTING.md", "docs/operations.md"])
def test_documents_name_files_that_exist(name):
    text = (ROOT / name).read_text()
    folders = "apps|project|tests|scripts|deploy|docs|requirements|\\.github|\\.ci"
    named = re.findall(rf"`((?:{folders})/[\w./@*-]+)`", text)
    assert [path for path in named if not list(ROOT.glob(path))] == []
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [path for path in linked if not (ROOT / name).parent.joinpath(path).exists()] == []


def test_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
