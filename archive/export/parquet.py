"""Export posts as Parquet, for data frames and DuckDB; needs the extra `mparchive[parquet]`."""

from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy.orm import Session

from archive.domain.errors import ArchiveError
from archive.export.result import OnPosts, ignore_posts
from archive.reports.post_list import PostRow, whole_posts
from archive.repository.heads import last_digest
from archive.repository.post_queries import PostFilter

if TYPE_CHECKING:
    import pyarrow as pa


HEAD_KEY = "mparchive:head"  # in the metadata of a file: the digest of the archive's head


class ExtraMissing(ArchiveError):
    """A package that an extra of this program brings is not installed."""


def write_parquet(
    session: Session, chosen: PostFilter, out: BinaryIO, on_posts: OnPosts = ignore_posts
) -> int:
    """Write the posts of a filter, a row group for each batch, and return how many were written.

    Raises ExtraMissing, OSError.
    """
    pa, pq = _pyarrow()
    schema, count = parquet_schema(), 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in whole_posts(session, chosen):
            rows = [_row(post) for _, post in batch]
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
            count += len(rows)
            on_posts(count)
        if head := last_digest(session):
            writer.add_key_value_metadata({HEAD_KEY: head.digest})
    return count


def parquet_schema() -> "pa.Schema":
    """Return the columns: instants in UTC, days of Asia/Shanghai. Raises ExtraMissing."""
    pa, _ = _pyarrow()
    text, instant = pa.string(), pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            pa.field("biz", text, nullable=False),
            pa.field("aid", text, nullable=False),
            pa.field("account", text, nullable=False),
            pa.field("title", text, nullable=False),
            pa.field("url", text, nullable=False),
            pa.field("published_on", pa.date32(), nullable=False),
            pa.field("published_at", instant),
            pa.field("kind", text),
            pa.field("marks", pa.list_(text), nullable=False),
            pa.field("first_archived_at", instant, nullable=False),
            pa.field("text", text, nullable=False),
        ]
    )


def _row(post: PostRow) -> dict[str, Any]:
    return {name: getattr(post, name) for name in parquet_schema().names} | {
        "marks": [str(mark) for mark in post.marks]
    }


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415 - as above
    except ImportError:
        raise ExtraMissing("archive.export.extra_missing", package="pyarrow", extra="parquet") from None
    return pa, pq
