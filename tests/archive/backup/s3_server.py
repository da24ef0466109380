"""Run an S3 server on loopback: moto's, which speaks real HTTP and checks credentials when told to."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest

START = 60  # seconds until it answers

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "never/to+be/shown",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

BUCKET = "backups"


@contextmanager
def s3_server(*, checks_credentials: bool = False) -> Iterator[str]:
    """Yield the address of a new server; one that checks credentials accepts none, as it knows no user."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    port = _free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "0" if checks_credentials else "inf"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, server)
        address = f"http://127.0.0.1:{port}"
        if not checks_credentials:
            make_bucket(address, BUCKET)
        yield address
    finally:
        server.kill()
        server.wait()


def make_bucket(address: str, name: str) -> None:
    """Make a bucket, without credentials."""
    with urlopen(Request(f"{address}/{name}", method="PUT")):
        pass


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START
    while server.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the S3 server did not start")


def use_s3(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Set the variables by which programs find the server and its credentials."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
