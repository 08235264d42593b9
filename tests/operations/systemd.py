"""Stand-ins for systemctl and systemd-run, which do what the units and deploy/manage
state.

Played are user, folder, settings, STATE_DIR, umask, sockets, the commands, the signals,
the time to stop, and restarts. Sandboxing is not: `systemd-analyze security` rates it
in make check.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from dotenv import dotenv_values

from tests.operations.place import ROOT, USER, Failed, Place, as_user


def read(path):
    """Return the settings of a unit file as {name: [values]}; of all its sections
    together.
    """
    found = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def environment(place, settings):
    """Return what a service gets:

    `Environment=`, over which `EnvironmentFile=` wins, as in systemd.
    """
    env = dict(place.base_env)
    for line in settings.get("Environment", []):
        env |= dict(word.split("=", 1) for word in shlex.split(place.here(line)))
    for path in settings.get("EnvironmentFile", []):
        env |= {name: value or "" for name, value in dotenv_values(place.path(path)).items()}
    return env


def options(place, settings):
    """Return the arguments of subprocess for a service: user, folder, umask; make its
    StateDirectory.
    """
    for name in settings.get("StateDirectory", []):
        state = place.folder / "var" / "lib" / name
        state.mkdir(exist_ok=True)
        state.chmod(int(settings["StateDirectoryMode"][0], 8))
        place.own(state)
    assert settings["User"] == ["firstlight"], "not as root"
    chosen = as_user(USER) | {"umask": int(settings["UMask"][0], 8)}
    return chosen | {"cwd": place.path(settings["WorkingDirectory"][0])}


class Service:
    """A unit of deploy/ that is started and stopped; `name` is like
    firstlight-worker@sync.
    """

    def __init__(self, place, name):
        self.place, self.name = place, name
        template, at, instance = name.partition("@")
        path = ROOT / "deploy" / f"{template}{at}.service"
        text = path.read_text().replace("%i", instance)
        copy = place.folder / "etc" / f"{name}.service"
        copy.write_text(text)
        self.settings = read(copy)
        self.process = None
        self.listener = None
        activation = ROOT / "deploy" / f"{template}.socket"
        if activation.exists():
            [address] = read(activation)["ListenStream"]
            host, port = place.here(address).rsplit(":", 1)
            self.listener = socket.create_server((host, int(port)), backlog=1024)

    def words(self, line):
        words = shlex.split(self.place.here(line))
        return [str(self.process.pid) if word == "$MAINPID" else word for word in words]

    def start(self):
        chosen = options(self.place, self.settings)
        env = environment(self.place, self.settings)
        for line in self.settings.get("ExecStartPre", []):
            done = subprocess.run(
                self.words(line), env=env, capture_output=True, text=True, check=False, **chosen
            )
            if done.returncode:
                raise Failed(f"{self.name}: {line}\n{done.stderr}")
        [command] = self.settings["ExecStart"]
        words = self.words(command)
        files = ()
        if self.listener:
            files = (self.listener.fileno(),)
            # systemd gives the socket as the file 3.
            words = ["bash", "-c", f'exec "$@" 3<&{files[0]}', "bash", *words]
        with self.place.log(self.name).open("ab") as log:
            self.process = subprocess.Popen(
                words,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=files,
                start_new_session=True,
                **chosen,
            )

    def stop(self):
        """Send SIGTERM, to the main process or to all, and wait as long as the unit
        allows.
        """
        number = self.process.pid
        if self.settings.get("KillMode") == ["mixed"]:
            os.kill(number, signal.SIGTERM)
        else:
            os.killpg(number, signal.SIGTERM)
        [seconds] = self.settings["TimeoutStopSec"]
        try:
            status = self.process.wait(float(seconds))
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end within {seconds} s") from None
        if status not in (0, -signal.SIGTERM):
            raise Failed(f"{self.name} ended with {status}")

    def reload(self):
        [line] = self.settings["ExecReload"]
        self.place.run(self.words(line))

    def kill(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def close(self):
        self.kill()
        if self.listener:
            self.listener.close()


class Systemd:
    """The services of a place, by their names:

    `systemd.systemctl(["restart", "firstlight-web"])`.
    """

    def __init__(self, place):
        self.place, self.services = place, {}

    def systemctl(self, words):
        verb, *names = [word for word in words if word != "--now"]
        for name in names:
            name = name.removesuffix(".service")
            if name.endswith(".socket"):
                continue  # the service opens it
            service = self.services.setdefault(name, None) or Service(self.place, name)
            self.services[name] = service
            if verb in ("enable", "start"):
                service.start()
            elif verb == "restart":
                service.stop()
                service.start()
            elif verb == "reload":
                service.reload()
            elif verb == "stop":
                service.stop()
            else:
                raise Failed(f"systemctl {verb} is not played here")

    def run(self, line, cwd):
        """Run one line of a document; systemctl is played."""
        words = shlex.split(line, comments=True)
        if words[0] == "systemctl":
            self.systemctl(words[1:])
        else:
            self.place.shell(line, cwd=cwd)

    def close(self):
        for service in self.services.values():
            service.close()
        self.services = {}


def systemd_run(arguments):
    """Do what `systemd-run --pipe --wait` does, for deploy/manage.

    Return the exit status.
    """
    place = Place.__new__(Place)
    place.folder = Path(os.environ["OPERATIONS_PLACE"])
    place.names = {
        name: f"{place.folder}{name}"
        for name in ("/opt/firstlight", "/etc/firstlight.env", "/var/lib")
    }
    place.base_env = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
        if name in os.environ
    }
    settings, words = {}, list(arguments)
    while words and words[0].startswith("--"):
        option = words.pop(0)
        kind, _, value = option.removeprefix("--").partition("=")
        if kind == "property":
            name, _, setting = value.partition("=")
            settings.setdefault(name, []).append(setting)
        elif kind == "setenv":
            settings.setdefault("Environment", []).append(value)
    command = [place.here(words[0]), *words[1:]]
    chosen = options(place, settings)
    return subprocess.run(
        command, env=environment(place, settings), check=False, **chosen
    ).returncode


def install(place):
    """Put the stand-in for systemd-run first in the PATH of a place."""
    script = place.folder / "bin" / "systemd-run"
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.operations.systemd "$@"\n'
    )
    script.chmod(0o755)


def wait_for(condition, seconds, what):
    """Return the first true result of `condition`. Raise Failed after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        if result := condition():
            return result
        if time.monotonic() > until:
            raise Failed(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(systemd_run(sys.argv[1:]))
