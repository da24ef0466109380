"""`mparchive serve`, as a process: a link that is filed is due; it ends when told."""

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.acceptance.command import EXECUTABLE, Command
from tests.support.secret_files import put_secret

TOKEN = "synthetic-token-0c4d"
SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
PATIENCE = 60  # seconds
STOPPED_WITHIN = 60  # seconds
LET_GO = 180  # seconds; what crawls start from imports first: two seconds, or fifty on a busy machine


@contextmanager
def serving(command: Command, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str, list[str]]]:
    """Yield the process, the address of its inbox, and its output until then."""
    process = subprocess.Popen(
        [EXECUTABLE, "serve", "--port", "0"],
        env=command.environment | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        heard = list(until(process.stdout, '"event": "serving"'))
        yield process, json.loads(heard[-1])["inbox"], heard
    finally:
        process.kill()
        process.communicate()


def until(lines: Iterable[str], words: str) -> Iterator[str]:
    """Return the lines up to the first that contains these words."""
    for line in lines:
        yield line
        if words in line:
            return


def post(address: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    status, value = answer.status, json.loads(answer.read())
    connection.close()
    return status, value


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_link_that_is_filed_is_due_and_the_server_ends_when_told(
    mparchive: Command, number: signal.Signals
) -> None:
    put_secret(mparchive.home / "token", f"{TOKEN}\n")
    named = {"MPARCHIVE_INBOX_TOKEN_FILE": str(mparchive.home / "token")}
    with serving(mparchive, **named) as (process, address, _):
        assert urlsplit(address).hostname == "127.0.0.1"
        assert post(address, {"text": SHORT, "token": "another-token-0c4d"})[0] == 401
        status, answer = post(address, {"text": f"合成 {SHORT}", "token": TOKEN})
        assert status == 200
        assert answer["filed"] == [{"address": SHORT, "new": True, "title": "合成"}]
        assert mparchive("status", "--json").json["due"] == 1
        process.send_signal(number)
        said, _ = process.communicate(timeout=STOPPED_WITHIN)
        assert process.returncode == 0, said
    assert '"event": "served"' in said
    assert TOKEN not in said


def test_a_hangup_ends_the_server_as_a_stop_does(mparchive: Command) -> None:
    with serving(mparchive) as (process, _, _heard):
        process.send_signal(signal.SIGHUP)
        assert process.wait(STOPPED_WITHIN) == 0


def test_without_a_token_the_inbox_is_closed_and_the_command_says_so_at_once(mparchive: Command) -> None:
    with serving(mparchive) as (process, address, heard):
        assert post(address, {"text": SHORT})[0] == 403
        process.terminate()
        said, _ = process.communicate(timeout=STOPPED_WITHIN)
    assert process.returncode == 0, said
    (sentence,) = [line for line in heard if "MPARCHIVE_INBOX_TOKEN_FILE" in line]
    assert sentence.startswith("the inbox is closed: set ")


def test_a_port_that_is_taken_and_a_token_that_is_none_are_said_before_anything_else(
    mparchive: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = mparchive("serve", "--port", port)
    assert (done.code, done.out) == (2, b"")
    where = f"127.0.0.1:{port}"
    assert done.err.strip() == (
        f"cannot listen at {where} (address already in use); free it, or give another --host or --port"
    )
    assert mparchive("serve", "--host", "nowhere.invalid").code == 2
    monkeypatch.setenv("MPARCHIVE_INBOX_TOKEN", "short")
    done = mparchive("serve", "--port", "0")
    assert done.code == 2
    assert "MPARCHIVE_INBOX_TOKEN holds no token of 16" in done.err


def test_the_daemon_serves_the_reading_room_too_and_takes_it_along_when_it_is_killed(
    mparchive: Command, tmp_path: Path
) -> None:
    config = tmp_path / "mparchive.toml"
    config.write_text(
        '[[accounts]]\nbiz = "Mzk5OTAwMDAwMQ=="\nname = "合成"\n[reading_room]\nlisten = "127.0.0.1:0"\n'
    )
    process = subprocess.Popen(
        [EXECUTABLE, "run"],
        env=mparchive.environment | {"MPARCHIVE_CONFIG": str(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = json.loads(list(until(process.stdout, '"event": "serving"'))[-1])["address"]
        with urlopen(f"{address}health", timeout=PATIENCE) as answer:
            assert answer.status == 200
    finally:
        process.kill()
    said, _ = process.communicate(timeout=LET_GO)  # which ends when nobody holds its output any more
    assert '"event": "served"' in said
