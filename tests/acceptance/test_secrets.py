"""Session secrets put in at every door are in no table, file, log, backup or export afterwards."""

import json
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from archive.backup.postgres import find_tool
from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import SESSION_NAMES, parse_address
from archive.domain.captures import SightingData
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from crawler.parse import PARSER_VERSION
from crawler.parse.page import classify
from tests.acceptance.command import Command
from tests.acceptance.dumps import BIZ, dump_bytes, record
from tests.archive.making import NOW, capture
from tests.crawler.crawling import plain
from tests.crawler.loopback import Loopback, Reply
from tests.mparchive.importers.test_mhtml import saved
from tests.mparchive.importers.test_warc import Writer
from tests.web.served import served
from web.api.routes import API

pytestmark = pytest.mark.filterwarnings("ignore:.*(tempfile|Temporary).*")
CANARY = "canary0c4d"
FEED_SECRET = "feedsecret7e1f"
NAMES = sorted(SESSION_NAMES)


def address(mid: int, *, begin: bool = False) -> str:
    """Return a post's address with every session parameter, also in its fragment and within a parameter."""
    secrets = "&".join(f"{name}={CANARY}{number}%3D%3D" for number, name in enumerate(NAMES))
    inner = quote(f"https://mp.weixin.qq.com/s?mid=1&{secrets}", safe="")
    post = f"__biz={BIZ}&mid={mid}&idx=1&sn=ab&chksm=cd"
    query = f"{secrets}&{post}" if begin else f"{post}&{secrets}&scene=1&KEY={CANARY}&from={inner}"
    return f"https://mp.weixin.qq.com/s?{query}#rd&pass_ticket={CANARY}"


def page(mid: int) -> str:
    """Return a page without secrets of its own: its bytes are stored as they are."""
    return (
        '<!DOCTYPE html><html><body><h1 id="activity-name">合成</h1><div id="js_content"><p>一段。</p></div>'
        f'<script>var biz = "{BIZ}"; var mid = "{mid}"; var idx = "1"; var sn = "ab"; var ct = "1760000000";'
        "</script></body></html>"
    )


def write_inputs(folder: Path) -> list[Path]:
    """Write a file for every kind of input, with addresses that hold secrets."""
    listed = {
        "plain.txt": address(11),
        "begin.txt": address(12, begin=True),
        "html.txt": address(13).replace("&", "&amp;"),
        "twice.txt": address(14).replace("&", "&amp;amp;"),
        "table.csv": f"title,url\n标题,{address(15)}\n",
        "items.json": json.dumps([{"title": "标题", "url": address(16)}]),
        "wrapped.txt": f"https://other.example/?u={quote(address(17), safe='')}",
        "prose.md": f"看 [这里]({address(18)})。",
        "wrong.txt": f"https://user:{CANARY}@mp.weixin.qq.com/s?__biz=x&key={CANARY}\n{address(19)}",
    }
    for name, content in listed.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "dump.json").write_bytes(dump_bytes([record(1, url=_with_secrets(record(1)["链接url"]))]))
    (folder / "a.warc").write_bytes(Writer().add(page(21).encode(), address(21)).content)
    (folder / "b.mhtml").write_bytes(saved(page(22), f"Snapshot-Content-Location: {address(22)}\r\n"))
    return sorted(folder.iterdir())


def _with_secrets(url: str) -> str:
    return url.replace("#rd", f"&key={CANARY}&pass_ticket={CANARY}&uin={CANARY}#rd")


def files_with(folder: Path, secret: str) -> list[str]:
    """Return what below a folder contains a text, members of archives included."""
    found = []
    for path in (one for one in folder.rglob("*") if one.is_file()):
        contents = {path.name: path.read_bytes()}
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                contents |= {f"{path.name}:{name}": packed.read(name) for name in packed.namelist()}
        found += [name for name, content in contents.items() if secret.encode() in content]
    return found


def leaks(command: Command, outputs: list[str], folder: Path, secret: str) -> list[str]:
    """Return where a secret is, in the database, what was printed, the backup and the exports."""
    folder.mkdir()
    dump = find_tool("pg_dump", 18)
    assert dump
    with (folder / "database.sql").open("wb") as file:
        arguments = ["--inserts", "--no-owner", "--dbname", plain(command.database_url)]
        subprocess.run([dump.path, *arguments], stdout=file, check=True)
    outputs.append(command("backup", folder / "a.backup").err)
    for form in ("json", "warc"):
        outputs.append(command("export", "--format", form, "--output", folder / form).err)
    outputs.append(command("status", "--json").out.decode())
    assert (folder / "database.sql").stat().st_size > 50_000
    assert len(list(folder.rglob("*"))) >= 3, "database, backup and the export of captures"
    return files_with(folder, secret) + [output for output in outputs if secret in output]


def test_session_secrets_of_imported_addresses_are_stored_nowhere(mparchive: Command, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    inputs = [*write_inputs(folder), address(31), f"https://mp.weixin.qq.com/x?key={CANARY}"]
    done = mparchive("backfill", "--no-fetch", *inputs)
    assert done.code == 3, done.err
    outputs = [done.err, done.out.decode()]
    saved_page = folder / "page.html"
    saved_page.write_text(page(32), encoding="utf-8")
    named = mparchive("backfill", "--no-fetch", "--url", address(32), saved_page)
    outputs += [named.err, named.out.decode()]
    assert named.code == 3, "the page is stored, and its markup not understood"
    settings = ArchiveSettings(database_url=mparchive.database_url)
    with open_archive(settings) as engine, served(engine) as web:
        answer = web.post(address(41))
        assert answer.status in {200, 202}, answer.body
        outputs.append(answer.body.decode())
    mids = {aid.partition("_")[0] for (aid,) in mparchive.rows("SELECT aid FROM addresses")}
    assert {str(mid) for mid in (*range(11, 20), 21, 22, 31, 32, 41)} <= mids
    assert leaks(mparchive, outputs, tmp_path / "out", CANARY) == []


def test_secrets_of_a_feed_are_stored_nowhere(
    mparchive_at: Callable[[str], Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHETIC_KEY", FEED_SECRET)
    own = f"http://rss.example/entry?k={FEED_SECRET}&amp;n="
    items = "".join(
        f"<item><title>标题 {FEED_SECRET}</title><link>{link}</link><guid>{link}</guid></item>"
        for link in (address(51).replace("&", "&amp;"), f"{own}1", f"{own}2")
    )
    feed = f'<rss version="2.0"><channel><title>x</title>{items}</channel></rss>'
    path = f"/_host/rss.example/a.rss?k={FEED_SECRET}&lang=zh"
    with Loopback() as server:
        headers = {"Content-Type": "application/rss+xml", "ETag": f'"{FEED_SECRET}"'}
        server.serve(path, Reply(feed.encode(), headers=headers))
        location = {"Location": address(52)}
        server.serve(f"/_host/rss.example/entry?k={FEED_SECRET}&n=1", Reply(status=302, headers=location))
        command = mparchive_at(server.url)
        configured = "http://rss.example/a.rss?k={env:SYNTHETIC_KEY}&lang=zh"
        (tmp_path / "mparchive.toml").write_text(
            f'[[accounts]]\nbiz = "{BIZ}"\nname = "合成"\nfeeds = [{json.dumps(configured)}]\n'
        )
        done = command("discover", "--json")
        again = command("discover", "--json")
        assert path in server.paths
    assert done.code in (0, 3), done.err
    outputs = [one for run in (done, again) for one in (run.err, run.out.decode())]
    assert {aid for (aid,) in command.rows("SELECT aid FROM addresses")} == {"51_1", "52_1"}
    assert leaks(command, outputs, tmp_path / "out", CANARY) == []
    assert files_with(tmp_path / "out", FEED_SECRET) == []
    assert not [output for output in outputs if FEED_SECRET in output]


def test_a_password_that_is_not_encoded_is_never_shown(tmp_path: Path) -> None:
    command = Command(f"postgresql://me:p@{CANARY}/x@127.0.0.1:1/archive", tmp_path)
    done = command("status")
    assert (done.code, "%40" in done.err) == (6, True)
    assert CANARY not in done.err + done.out.decode()


def test_secrets_in_captures_of_earlier_versions_leave_by_no_export_and_no_page(
    mparchive: Command, tmp_path: Path
) -> None:
    """They are evidence: the database and its backups have them, and `verify` finds nothing wrong."""
    old = replace(capture(page(61).encode()), requested_url=address(61), final_url=address(61))
    settings = ArchiveSettings(database_url=mparchive.database_url, home=mparchive.home)
    with open_archive(settings) as engine:
        with transaction(engine) as session:
            sighting = SightingData(parse_address(address(61)), "list", NOW)
            (sighted,) = record_sightings(session, None, [sighting], NOW)
            (capture_id,) = store_captures(session, None, [(sighted.address_id, old)])
            store_parse_results(session, None, [(capture_id, classify(old))], NOW, PARSER_VERSION)
        with served(engine) as web:
            places = (f"/captures/{capture_id}", f"{API}/captures/{capture_id}")
            answers = [web.ask("GET", place) for place in places]
    assert [answer.status for answer in answers] == [200, 200]
    outputs = [answer.body.decode() for answer in answers]
    assert "mid=61" in outputs[1]
    outputs.append(mparchive("export", "-f", "wacz", "-o", tmp_path / "out" / "a.wacz").err)
    assert mparchive.findings() == []
    found = leaks(mparchive, outputs, tmp_path / "more", CANARY)
    assert sorted(found) == ["a.backup:tables/captures.copy", "database.sql"]
    assert files_with(tmp_path / "out", CANARY) == []
