"""`mparchive run` and `mparchive worker` start with valid settings only; the web server is kept running."""

import socket
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from mparchive.commands import run
from mparchive.commands.run import WebServerProcess
from mparchive.errors import Exit
from tests.mparchive.commands.conftest import Run
from tests.scheduler.waiting import wait_for

PATIENCE = 60.0  # seconds for an answer


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError):
        return False


@pytest.mark.slow
@pytest.mark.usefixtures("mparchive")
def test_a_web_server_that_is_killed_is_started_again_and_ends_with_the_daemon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "RESTART_DELAY", 0.0)
    port = free_port()
    with WebServerProcess("127.0.0.1", port) as server:
        wait_for(lambda: answers(port))
        first = server._process
        assert first is not None
        first.kill()
        wait_for(lambda: server._process is not first and answers(port))
        second = server._process
    assert second is not None
    assert second.poll() == Exit.DONE
    assert not server._thread.is_alive()


@pytest.mark.slow
@pytest.mark.usefixtures("mparchive")
def test_a_web_server_that_cannot_listen_is_not_started_again(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "RESTART_DELAY", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with WebServerProcess("127.0.0.1", port) as server:
            wait_for(lambda: not server._thread.is_alive())
    printed = capfd.readouterr()
    assert printed.err.count(f"cannot listen at 127.0.0.1:{port}") == 1
    assert "reading_room_ended" in printed.out + printed.err


def test_a_daemon_without_a_valid_configuration_is_refused(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = mparchive("run")
    assert (missing.code, missing.out) == (Exit.USAGE, "")
    assert "mparchive.toml" in missing.err
    (tmp_path / "bad.toml").write_text("[[accounts]]\nbiz = 1\n")
    monkeypatch.setenv("MPARCHIVE_CONFIG", str(tmp_path / "bad.toml"))
    bad = mparchive("run")
    assert bad.code == Exit.USAGE
    assert "bad.toml" in bad.err


@pytest.mark.usefixtures("in_chinese")
def test_the_refusal_is_in_the_language_of_the_process(mparchive: Run) -> None:
    err = mparchive("run").err
    assert "mparchive.toml" in err
    assert any("\u4e00" <= char <= "\u9fff" for char in err)


def test_a_worker_with_a_setting_that_is_wrong_is_refused(
    mparchive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPARCHIVE_EGRESS", "no such name!")
    ended = mparchive("worker")
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert "MPARCHIVE_EGRESS" in ended.err
