"""Chains of hashes: what they vouch for, and that a third party can tell without this program."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from archive.db.engine import transaction
from archive.db.models import Chain, ChainEntry
from archive.db.schema import alembic_config
from archive.domain.addresses import parse_address
from archive.domain.captures import SightingData
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.hash_chain import chain_heads
from tests.archive.making import BIZ, NOW, article, capture, record
from tests.crawler.crawling import plain

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "integrity.md"
SUBJECTS = (ChainEntry.capture_id, ChainEntry.version_id, ChainEntry.fact_kind, ChainEntry.fact_id)
# Earlier versions had no time of parsing.
CONTENTS = select(*SUBJECTS, ChainEntry.content_digest).where(
    ChainEntry.fact_kind.is_distinct_from("parse_result")
)
SHORT = "https://mp.weixin.qq.com/s/" + "a" * 22


def fill(session: Session) -> None:
    """Two versions of a post; captures of its address, of a short link, and of none."""
    import_records(session, None, [record(), record(2)], "dump", NOW)
    urls = (record().url, SHORT)
    sighted = record_sightings(
        session, None, [SightingData(parse_address(url), "list", NOW) for url in urls], NOW
    )
    drawn = capture(
        b"drawn", rendered=True, evaluated={"text": '改\x7f\u2028\\"/\n', "n": [1.50, 1e22, None]}
    )
    pages = [
        (sighted[0].address_id, capture(b"one")),
        (sighted[1].address_id, capture(b"two")),
        (None, drawn),
    ]
    kept = store_captures(session, None, pages)
    store_parse_results(session, None, [(kept[0], article(record(text="改\r")))], NOW, 1)


def test_each_account_has_a_chain_and_what_tells_no_account_has_one_of_its_own(db_session: Session) -> None:
    fill(db_session)
    assert [(head.biz, head.length) for head in chain_heads(db_session)] == [("", 4), (BIZ, 13)]


def told_by_the_document(engine: Engine) -> list[dict[str, Any]]:
    """Return the heads as the program in docs/reference/integrity.md computes them from the rows."""
    (program,) = re.findall("```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.S)
    url = plain(engine.url.render_as_string(hide_password=False))
    ran = subprocess.run([sys.executable, "-c", program, url], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    return list(json.loads(ran.stdout))


def test_anybody_finds_the_heads_with_the_program_of_the_document(engine: Engine) -> None:
    with transaction(engine) as session:
        fill(session)
    with transaction(engine) as session:
        assert told_by_the_document(engine) == [head._asdict() for head in chain_heads(session)]


def test_what_was_kept_before_there_were_chains_is_chained_when_the_schema_is_brought_up_to_date(
    engine: Engine,
) -> None:
    with transaction(engine) as session:
        fill(session)
        chain_heads(session)
        contents = set(session.execute(CONTENTS))
    for revision in ("0003", "head"):
        with engine.begin() as connection:
            to = command.upgrade if revision == "head" else command.downgrade
            to(alembic_config(connection), revision)
    with transaction(engine) as session:
        assert set(session.execute(CONTENTS)) == contents
        assert session.scalar(select(func.sum(Chain.length))) > len(contents)
        assert told_by_the_document(engine) == [head._asdict() for head in chain_heads(session)]
