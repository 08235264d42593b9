"""The Dockerfile's steps, and the services of compose.yaml, without a container engine.

Files are copied, settings are set, and commands are run as both files state them, as
the user of the image. What needs an engine or a network is left out: base images,
apt-get, pip (see `python`).
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from dotenv import dotenv_values

from tests.operations.place import ROOT, USER, Failed, as_user
from tests.operations.servers import composition

LEFT_OUT = ("if [", "groupadd", "pip install")
VARIABLE = re.compile(r"\$\{(\w+):\?[^}]*\}")
SECONDS_BY_DEFAULT = 10  # between SIGTERM and SIGKILL
UNITS = {"m": 60, "s": 1}


class Image:
    """What `docker build` makes of a clone."""

    def __init__(self, place, clone):
        self.place, self.clone = place, clone
        self.folder = place.folder / "image" / "app"
        self.env, self.user, self.command = {}, None, []

    def build(self):
        self.folder.mkdir(parents=True)
        text = (self.clone / "Dockerfile").read_text().replace("\\\n", " ")
        _, _, final = text.rpartition("\nFROM ")
        for line in final.splitlines()[1:]:
            name, _, rest = line.partition(" ")
            step = getattr(self, f"_{name.lower()}", None)
            if step:
                step(rest.strip())
        (self.folder / ".venv").symlink_to(self.clone / ".venv")
        if self.user != "10001:10001":
            raise Failed(f"USER is {self.user}")

    def _env(self, rest):
        # Build arguments are not given.
        given = re.sub(r"\$\{\w+\}", "", rest)
        self.env |= dict(word.split("=", 1) for word in shlex.split(given))

    def _copy(self, rest):
        rest = re.sub(r"--from=front /build/", "", rest)
        *sources, _target = rest.split()
        for source in sources:
            if (self.clone / source).is_dir():
                shutil.copytree(self.clone / source, self.folder / source, symlinks=True)
            else:
                (self.folder / source).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.clone / source, self.folder / source)

    def _run(self, rest):
        if not rest.startswith(LEFT_OUT):
            line = rest.replace("/tmp/build", f"{self.place.folder}/build")
            self.place.run(["sh", "-ec", line], cwd=self.folder, env=self.env | self._path())

    def _user(self, rest):
        self.user = rest

    def _cmd(self, rest):
        self.command = json.loads(rest)

    def _path(self):
        return {"PATH": f"{self.clone}/.venv/bin:{self.place.base_env['PATH']}"}

    def start(self, name, command, env):
        """Start a container's process: a state folder of its own, and a read-only root."""
        state = self.place.folder / "containers" / name
        state.mkdir(parents=True, exist_ok=True)
        self.place.own(state)
        env = self.place.base_env | self.env | env | self._path() | {"STATE_DIR": str(state)}
        with self.place.log(f"container-{name}").open("ab") as log:
            return subprocess.Popen(
                self._published(command),
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_user(USER),
            )

    def _published(self, command):
        """Return the command, which listens at the port of this place."""
        words = list(command)
        if "--port" in words:
            assert words[words.index("--port") + 1] == "8000"
            words[words.index("--port") + 1] = str(self.place.web_port)
        return words


class Composition:
    """The services of compose.yaml that are made from the image; `docker compose up`
    and `down`.
    """

    def __init__(self, image, ports):
        """`ports` are those of PostgreSQL and Valkey, by the names of their services."""
        self.image, self.ports = image, ports
        self.running = {}
        services = composition()["services"].items()
        self.services = {
            name: service for name, service in services if service.get("image") == "firstlight"
        }

    def environment(self, service):
        """Return a service's settings:

        `env_file` below `environment`, with names of hosts resolved.
        """
        from_file = dotenv_values(self.image.clone / service["env_file"])
        given = {name: value or "" for name, value in from_file.items()}
        for name, value in service["environment"].items():
            value = VARIABLE.sub(lambda found: given[found[1]], str(value))
            for host, port in self.ports.items():
                value = re.sub(rf"\b{host}:\d+", f"127.0.0.1:{port}", value)
            given[name] = value
        assert given["STATE_DIR"] == self.image.env["STATE_DIR"], (
            "the settings move the state out of its volume"
        )
        # The proxy is on this host, not behind a container's gateway.
        given["FORWARDED_ALLOW_IPS"] = "127.0.0.1"
        return given

    def up(self):
        migrate = self.services["migrate"]
        process = self.image.start("migrate", migrate["command"], self.environment(migrate))
        if process.wait(120):
            raise Failed(
                "the service migrate failed:\n"
                + self.image.place.log("container-migrate").read_text()[-3000:]
            )
        for name, service in self.services.items():
            if name != "migrate":
                self.running[name] = self.image.start(
                    name, service["command"], self.environment(service)
                )

    def down(self):
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.running.items():
            grace = self.services[name].get("stop_grace_period", f"{SECONDS_BY_DEFAULT}s")
            end(name, process, int(grace[:-1]) * UNITS[grace[-1]])
        self.running = {}

    def close(self):
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def end(name, process, seconds):
    """Wait for a process that got SIGTERM.

    Raise Failed if Docker would have to kill it.
    """
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise Failed(f"{name} did not end within {seconds} s of SIGTERM") from None
    if status not in (0, -signal.SIGTERM):
        raise Failed(f"{name} ended with {status}")


def commands_for(name):
    """Return the command that .env.example gives for a setting, in the comment above
    it.
    """
    lines = (ROOT / ".env.example").read_text().splitlines()
    above = lines[lines.index(f"{name}=") - 1]
    assert above.startswith("#   python -c "), above
    return above.removeprefix("#   ")


def fill_in(path, **values):
    """Set settings in a file as an operator does with an editor: in place of what its
    lines have.
    """
    text = Path(path).read_text()
    for name, value in values.items():
        text, count = re.subn(
            rf"^#?{name}=.*$",
            lambda _, line=f"{name}={value}": line,
            text,
            count=1,
            flags=re.MULTILINE,
        )
        assert count == 1, f"{name} is not in {path}"
    Path(path).write_text(text)
