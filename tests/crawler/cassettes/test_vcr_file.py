import http.client
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import vcr

from crawler.cassettes.cassette import CassetteError
from crawler.cassettes.vcr_file import VcrFile

URL = "https://mp.weixin.qq.com/s?__biz=MjM5==&mid=1&idx=1&chksm=ab"
ASKED = {"User-Agent": "plain"}
BROWSER = {"upgrade-insecure-requests": "1"}


def response(body: bytes) -> dict[str, Any]:
    return {"status": {"code": 200, "message": ""}, "headers": {"X": ["1"]}, "body": {"string": body}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "cassette.yaml"


def record(path: Path, body: bytes) -> None:
    file = VcrFile(str(path), records=True)
    file.append("GET", URL, ASKED, response(body))
    file.save()


def replay(path: Path) -> bytes | None:
    found = VcrFile(str(path), records=False).next_response("GET", URL, ASKED)
    return found and found["body"]["string"]


def test_each_response_is_given_once_and_only_to_its_client(path: Path) -> None:
    record(path, b"first")
    record(path, b"second")
    file = VcrFile(str(path), records=False)
    assert file.next_response("GET", URL, BROWSER) is None
    found = [file.next_response("GET", URL, ASKED) for _ in range(3)]
    assert found == [response(b"first"), response(b"second"), None]


def test_vcrpy_itself_replays_the_file(path: Path) -> None:
    record(path, "由 vcrpy 读".encode())
    with vcr.use_cassette(str(path), record_mode="none") as cassette:
        connection = http.client.HTTPSConnection("mp.weixin.qq.com")
        connection.request("GET", URL.removeprefix("https://mp.weixin.qq.com"))
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, "由 vcrpy 读".encode())
        assert cassette.all_played


def test_a_failed_write_leaves_the_old_file_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("crawler.cassettes.vcr_file.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        record(path, b"new")
    assert [entry.name for entry in path.parent.iterdir()] == ["cassette.yaml"]
    assert replay(path) == b"old"


@pytest.mark.parametrize("content", ["", "not: a cassette", "{{{", "- 1"])
def test_a_file_that_is_no_cassette_is_refused_by_name(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(CassetteError, match=r"cassette\.yaml"):
        VcrFile(str(path), records=False)


@pytest.mark.parametrize(
    "tag", ["object/apply:os.mkdir", "object/new:os.mkdir", "name:os.mkdir", "module:os"]
)
def test_a_file_of_others_runs_nothing(tmp_path: Path, tag: str) -> None:
    path, mark = tmp_path / "forged.yaml", tmp_path / "mark"
    path.write_text(f"interactions:\n- request: !!python/{tag} [{mark}]\n  response: {{}}\nversion: 1\n")
    with pytest.raises(CassetteError, match="is not a cassette"):
        VcrFile(str(path), records=False)
    assert not mark.exists()


@pytest.mark.slow
def test_a_crawl_without_a_cassette_does_not_import_vcrpy() -> None:
    modules = "crawler.commands.crawl, crawler.download.handler, crawler.pipelines.posts"
    code = f"import sys, {modules}; sys.exit('vcr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
