"""Tests that Parquet keeps aids as texts and instants with their zone, and asks for its package."""

import io
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from sqlalchemy.orm import Session

from archive.export.parquet import ExtraMissing, parquet_schema, write_parquet
from archive.ingest.pages import import_records, store_parse_results
from archive.repository.captures import store_captures
from archive.repository.post_queries import EVERY_POST
from tests.archive.making import NOW, article, capture, record

PUBLISHED = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
TITLES = {"1001_1": "=1+1", "1002_1": "007", "1003_1": "一\n\t\x01"}


@pytest.fixture
def path(db_session: Session, tmp_path: Path) -> Path:
    """Export three posts, one with an instant."""
    import_records(db_session, None, [record(n, title=TITLES[f"{1000 + n}_1"]) for n in (2, 3)], "dump", NOW)
    (number,) = store_captures(db_session, None, [(None, capture())])
    page = article(record(1, title="=1+1"), published_at=PUBLISHED)
    store_parse_results(db_session, None, [(number, page)], NOW, 1)
    target = tmp_path / "posts.parquet"
    with target.open("wb") as out:
        assert write_parquet(db_session, EVERY_POST, out) == 3
    return target


def test_the_schema_is_the_documented_one(path: Path) -> None:
    schema = pq.read_schema(path)
    assert schema.equals(parquet_schema())
    document = Path(__file__).parents[3] / "docs" / "reference" / "exports.md"
    for field in schema:
        assert f"| `{field.name}` |" in document.read_text("utf-8")


def test_pandas_polars_and_duckdb_read_the_same_texts(path: Path) -> None:
    pandas = pd.read_parquet(path)
    assert dict(zip(pandas["aid"], pandas["title"], strict=True)) == TITLES
    polars = pl.read_parquet(path)
    assert dict(polars.select("aid", "title").iter_rows()) == TITLES
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute("SELECT aid, title FROM read_parquet(?)", [str(path)]).fetchall()
        day = "SELECT published_on, epoch(published_at) FROM read_parquet(?) WHERE published_at IS NOT NULL"
        assert connection.execute(day, [str(path)]).fetchall() == [(date(2026, 3, 1), PUBLISHED.timestamp())]
    assert dict(found) == TITLES


def test_instants_have_a_zone(path: Path) -> None:
    (at,) = [row["published_at"] for row in pq.read_table(path).to_pylist() if row["published_at"]]
    assert at == PUBLISHED


def test_without_the_package_the_command_to_install_it_is_named(
    db_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'mparchive\[parquet\]'"):
        write_parquet(db_session, EVERY_POST, io.BytesIO())
