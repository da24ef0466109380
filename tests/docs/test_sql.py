"""Tests that the statements in docs/how-to/sql.md run as written and return what their headings say."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.domain.outcomes import MediumOutcome, Relation, Role
from archive.domain.parsed_page import LinkRef
from archive.ingest.pages import store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import due_media, record_media_failure, store_file
from tests.archive.making import NOW, article, capture, image, kept_file, link, record, template, video

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DOCUMENT = (Path(__file__).parents[2] / "docs" / "how-to" / "sql.md").read_text("utf-8")
STATEMENTS = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
(SHELL,) = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
NEEDED = ("psql", "xxd", "zstd", "sha256sum")
PAGES = [template(1) + f"<p>{number}</p>".encode() for number in range(2)]
TOKEN = "abcdefghijklmnopqrstuv"


@pytest.fixture
def linked(db_session: Session) -> Session:
    """Store post 1 with a cover, two pictures and a video, and posts 2 to 4 that link to it.

    Post 2 no longer does, post 4 does by the short link.
    """
    short = f"https://mp.weixin.qq.com/s/{TOKEN}"
    by_token = LinkRef(Relation.PREVIOUS, f"s/{TOKEN}", short, 0, "上一篇")
    shown = (image("b", 1), image("a"), image("c", role=Role.COVER), video())
    readings = [article(record(1), media=shown), article(record(2), links=(link(1),)), article(record(2))]
    readings += [
        article(record(3), links=(link(1, text="甲"), link(9))),
        article(record(4), links=(by_token,)),
    ]
    seen = [SightingData(parse_address(short), "list", NOW)]
    (address,) = record_sightings(db_session, None, seen, NOW)
    addresses = [address.address_id, None, None, None, None]
    ids = store_captures(db_session, None, [(id_, capture()) for id_ in addresses])
    store_parse_results(db_session, None, list(zip(ids, readings, strict=True)), NOW, 1)
    return db_session


def result_rows(session: Session, number: int) -> list[tuple[Any, ...]]:
    """Return the rows of the statement with this number."""
    return [tuple(row) for row in session.execute(text(STATEMENTS[number].replace(":", r"\:")))]


def test_the_pictures_of_a_post(linked: Session) -> None:
    first, second, _ = due_media(linked, NOW, 3, types=["image"])
    store_file(linked, first.id, kept_file(path="ab/a.png"), NOW)
    record_media_failure(linked, second.id, MediumOutcome.REFUSED, "text/html", NOW)
    assert result_rows(linked, 0) == [
        ("cover", 0, image("c").url, None, ""),
        ("image", 0, image("a").url, "ab/a.png", ""),
        ("image", 1, image("b").url, None, "text/html"),
    ]


def test_the_posts_that_link_to_a_post(linked: Session) -> None:
    assert [row[1:] for row in result_rows(linked, 1)] == [
        ("1003_1", "标题", "post", "甲"), ("1004_1", "标题", "previous", "上一篇"),
    ]  # fmt: skip
    linked.execute(text("UPDATE posts SET capture_id = NULL WHERE aid = '1003_1'"))
    assert [row[1] for row in result_rows(linked, 1)] == ["1004_1"]


def test_every_statement_is_tested() -> None:
    assert len(STATEMENTS) == 3


def test_a_page_with_its_delta_base(db_session: Session) -> None:
    _, further = store_captures(db_session, None, [(None, capture(page)) for page in PAGES])
    store_parse_results(db_session, None, [(further, article(record(1)))], NOW, 1)
    (found,) = db_session.execute(text(STATEMENTS[2])).mappings().all()
    assert (found["id"], found["base_sha256"]) == (further, hashlib.sha256(PAGES[0]).hexdigest())
    assert (found["codec"], found["base_codec"]) == ("zstd-prefix", "zstd")
    prefix = zstd.ZstdDict(zstd.decompress(bytes.fromhex(found["base_data"])), is_raw=True).as_prefix
    page = zstd.decompress(bytes.fromhex(found["data"]), zstd_dict=prefix)
    assert (page, found["sha256"]) == (PAGES[1], hashlib.sha256(PAGES[1]).hexdigest())


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs the commands {', '.join(NEEDED)}")
def test_the_shell_commands_extract_a_page(engine: Engine, fresh_database_url: str, tmp_path: Path) -> None:
    with transaction(engine) as session:
        reference, further = store_captures(session, None, [(None, capture(page)) for page in PAGES])
    script = re.sub(r"\b5\b", str(reference), re.sub(r"\b17\b", str(further), SHELL))
    here = os.environ | {"MPARCHIVE_DATABASE_URL": fresh_database_url.replace("+psycopg", "")}
    done = subprocess.run(
        ["sh", "-euc", script], cwd=tmp_path, env=here, check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[0] == hashlib.sha256(PAGES[1]).hexdigest()
    assert [(tmp_path / f"{n}.html").read_bytes() for n in (reference, further)] == PAGES
