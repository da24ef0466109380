"""Run commands in the built image with buildah, and forward its loopback to a Postgres."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

BUILDAH = {"BUILDAH_ISOLATION": "chroot"}
ROOT = Path(__file__).resolve().parents[2]
ENTRY = ("tini", "--", "mparchive")  # of the image; `buildah run` ignores it
FOLDERS = {"data": "/data", "config": "/config", "secrets": "/run/secrets"}
USER = 1000  # of the image
TIMEOUT = 180  # seconds; starting a container here takes two


def buildah(*arguments: str) -> str:
    """Run buildah, and return its output."""
    done = subprocess.run(
        ["buildah", *arguments], env={**os.environ, **BUILDAH}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Container:
    """One working container, with two folders of this machine as /data and /config."""

    name: str
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def _command(self, *command: str) -> list[str]:
        options = [f"--volume={self.home / name}:{inside}" for name, inside in FOLDERS.items()]
        options += [f"--env={name}={value}" for name, value in self.environment.items()]
        return ["buildah", "run", *options, self.name, "--", *command]

    def run(self, *command: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, output, errors."""
        done = subprocess.run(
            self._command(*command),
            env={**os.environ, **BUILDAH},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def service(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a service of the compose file beside the test; what it says goes to <name>.log."""
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self._command(*ENTRY, name),
                env={**os.environ, **BUILDAH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


# What an engine does for `read_only: true`, as the compose file asks for; buildah has no option for it.
_READ_ONLY = """
root=$1 home=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
for folder in tmp run; do mount -t tmpfs tmpfs "$root/$folder"; done
mkdir "$root/run/secrets"
mount --bind "$home/data" "$root/data"
for folder in config run/secrets; do
    mount --bind "$home/${folder##*/}" "$root/$folder"
    mount -o remount,ro,bind "$root/$folder"
done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec setpriv --no-new-privs chroot --userspec=1000:1000 "$root" "$@"
"""


@contextmanager
def read_only(one: Container, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command with the container's root mounted read-only, as the image's user without new rights."""
    root = buildah("mount", one.name)
    config = json.loads(buildah("inspect", one.name))["Docker"]["config"]
    environment = [*config["Env"], *(f"{name}={value}" for name, value in one.environment.items())]
    process = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "sh",
            "-euc",
            _READ_ONLY,
            "sh",
            root,
            one.home,
            "env",
            "-i",
            *environment,
            *command,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()  # tini passes it on; a kill would end tini alone
        process.communicate(timeout=TIMEOUT)
        buildah("umount", one.name)


@contextmanager
def container(image: str, home: Path, environment: dict[str, str]) -> Iterator[Container]:
    """Yield a working container of an image, and remove it afterwards."""
    for name in FOLDERS:
        (home / name).mkdir()
        shutil.chown(home / name, USER, USER)
    name = buildah("from", "--pull-never", image)
    try:
        yield Container(name, home, environment)
    finally:
        buildah("rm", name)


def terminate(process: "subprocess.Popen[bytes]", seconds: float) -> int:
    """Send SIGTERM to the first process of a container, as an engine does; returns how it ended."""
    family = psutil.Process(process.pid).children(recursive=True)
    next(one for one in family if one.name() == "tini").terminate()
    return process.wait(seconds)


@contextmanager
def on_loopback(socket: str) -> Iterator[int]:
    """Yield a port of 127.0.0.1 that forwards to a server's Unix socket."""
    command = [sys.executable, "-m", "tests.container.forward", socket]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
