"""Fill an archive by SQL to the size of one that has run for years; everything in it is made up."""

# ruff: noqa: E501 - SQL, a column a line

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text

from archive.db.models import SERIALS
from archive.db.schema import add_capture_months
from archive.repository.derived import refresh

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
_NOW = "timestamptz '2026-03-02 04:00+00'"
_BIZ = "encode(convert_to((3999000000 + {n})::text, 'UTF8'), 'base64')"
BIZ = "Mzk5OTAwMDAwMQ=="
_PAGE = b"<html>invented</html>"  # the body of the first capture; the others cannot be unpacked
EGRESSES = ("home", "office")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows there are. Each post has two captures and one version; other captures have no post."""

    captures: int = 300_000
    due: int = 200_000
    runs: int = 100_000
    posts: int = 50_000
    accounts: int = 50
    media: int = 100_000
    incidents: int = 20_000

    @classmethod
    def of_captures(cls, captures: int) -> "Sizes":
        """Return the sizes of an archive with so many captures, the others in proportion; accounts as many."""
        parts = {name: captures * part // 300 for name, part in _PROPORTIONS.items()}
        return cls(captures=captures, **parts)


_PROPORTIONS = {"due": 200, "runs": 100, "posts": 50, "media": 100, "incidents": 20}


def fill(engine: Engine, sizes: Sizes) -> None:
    """Fill an empty archive; triggers do not fire, so derived tables are computed at the end."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        add_capture_months(connection, MONTHS)
        fill_tables(connection, sizes)
        refresh(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def fill_tables(connection: Connection, sizes: Sizes, changes: Mapping[str, Mapping[str, str]] = {}) -> None:
    """Fill the tables of any schema; `changes` is by table the SQL of some columns instead of the usual one."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    is_partitioned = connection.scalar(text("SELECT to_regclass('partitions.captures_without_month')"))
    capture_id = _CAPTURE_ID.format(id=_MONTHLY_ID if is_partitioned else "n")
    connection.exec_driver_sql(capture_id.replace("%", "%%"))
    for table, (count, columns) in _tables(sizes).items():
        _insert(connection, table, count, {**columns, **changes.get(table, {})})
    _set_sequences(connection)


# A tenth of the captures is older than months in their ids.
MONTHS = [year * 100 + month for year in (2023, 2024, 2025) for month in range(1, 13)]

_CAPTURE_ID = "CREATE OR REPLACE FUNCTION pg_temp.capture_id(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN {id}"

_PLACE = f"(n + {len(MONTHS)}) % {len(MONTHS) + 4}"  # of the first captures none has a month

_MONTHLY_ID = (
    f"n + CASE WHEN {_PLACE} < {len(MONTHS)}"
    f" THEN {SERIALS} * (202301 + 100 * ({_PLACE} / 12) + {_PLACE} % 12) ELSE 0 END"
)


def _tables(sizes: Sizes) -> dict[str, tuple[int, Mapping[str, str]]]:
    """Return for each table the number of rows and the SQL of its columns, in which `n` counts from 1."""
    posts, accounts = sizes.posts, sizes.accounts
    account = f"1 + n % {accounts}"
    mid = "1000000 + n"
    day = f"(date '2026-03-01' - n / {accounts})"
    key = f"{_BIZ.format(n=f'({account})')} || ':' || {mid} || ':1'"
    url = f"'https://mp.weixin.qq.com/s?__biz=' || {_BIZ.format(n=f'({account})')} || '&mid=' || {mid} || '&idx=1&sn=' || md5(n::text)"
    is_post = f"n <= {posts}"
    is_bare = "n % 10 = 0"
    addresses = posts + sizes.due + sizes.due // 10
    is_due = f"n BETWEEN {posts} + 1 AND {posts + sizes.due}"
    outcome = (
        f"CASE WHEN n <= {2 * posts} THEN 'article' WHEN n % 50 = 0 THEN 'deleted'"
        " WHEN n % 3 = 0 THEN 'unknown' ELSE 'verification' END"
    )
    post = f"1 + (n - 1) % {posts}"
    sha256 = f"CASE WHEN n = 1 THEN '\\x{hashlib.sha256(_PAGE).hexdigest()}'::bytea ELSE sha256(n::text::bytea) END"
    body = f"CASE WHEN n = 1 THEN '\\x{gzip.compress(_PAGE).hex()}'::bytea ELSE sha256(n::text::bytea) END"
    return {
        "accounts": (accounts, {"id": "n", "biz": _BIZ.format(n="n"), "name": "'合成账号' || n"}),
        "egresses": (
            len(EGRESSES),
            {
                "id": "n",
                "name": f"(ARRAY{list(EGRESSES)})[n]",
                "seen_at": _NOW,
                "consecutive_challenges": "0",
                "reason": "''",
            },
        ),
        "runs": (
            sizes.runs,
            {
                "id": "n",
                "command": "(ARRAY['fetch','discover','revisit','backfill','verify'])[1 + n % 5]",
                "egress_id": "1 + n % 2",
                "arguments": "jsonb_build_object('due', 100, 'only', '[]'::jsonb)",
                "started_at": f"{_NOW} - ({sizes.runs} - n) * interval '5 minutes'",
                "finished_at": f"{_NOW} - ({sizes.runs} - n) * interval '5 minutes' + interval '1 minute'",
                "status": "CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'done' END",
                "counts": "jsonb_build_object('fetched', 90, 'asked_again', 10, 'found', 0)",
            },
        ),
        "addresses": (
            addresses,
            {
                "id": "n",
                "biz": _BIZ.format(n=f"({account})"),
                "mid": mid,
                "idx": "1",
                "url": f"{url} || CASE WHEN {is_bare} THEN '' ELSE '&chksm=' || md5(n::text) END",
                "account_id": account,
                "aid": f"{mid} || '_1'",
                "attempts": f"CASE WHEN {is_post} THEN 0 ELSE n % 3 END",
                "last_outcome": f"CASE WHEN {is_post} THEN 'article'"
                " WHEN n % 3 = 1 THEN 'unknown' WHEN n % 3 = 2 THEN 'no_answer' END",
                "last_tried_at": f"CASE WHEN {is_post} OR n % 3 > 0"
                f" THEN {_NOW} - n * interval '1 minute' - interval '1 day' END",
                "next_fetch_at": f"CASE WHEN {is_post} THEN NULL WHEN {is_due}"
                f" THEN {_NOW} - n * interval '10 seconds' ELSE {_NOW} + n * interval '10 seconds' END",
                "first_seen_at": f"{_NOW} - n * interval '1 minute'",
            },
        ),
        "sightings": (
            addresses,
            {
                "id": "n",
                "address_id": "n",
                "run_id": f"1 + n % {sizes.runs}",
                "last_run_id": f"1 + n % {sizes.runs}",
                "source": "'album:1'",
                "url": url,
                "title": "'合成标题' || n",
                "first_seen_at": f"{_NOW} - n * interval '1 minute'",
                "last_seen_at": f"{_NOW} - n * interval '1 minute'",
            },
        ),
        "captures": (
            sizes.captures,
            {
                "id": "pg_temp.capture_id(n)",
                "address_id": f"1 + (n - 1) % {addresses}",
                "run_id": f"1 + n % {sizes.runs}",
                "requested_url": url,
                "final_url": url,
                "status": "200",
                "headers": "'[]'::jsonb",
                "body": body,
                "body_encoding": "'gzip'",
                "body_size": f"CASE WHEN n = 1 THEN {len(_PAGE)} ELSE 1000 END",
                "sha256": sha256,
                "fetched_at": f"{_NOW} - ({sizes.captures} - n) * interval '5 minutes' - interval '10 minutes'",
                "rendered": "false",
                "outcome": f"CASE WHEN n <= {sizes.captures - 3} THEN {outcome} END",
                "reason": "''",
                "parser_version": "6",
            },
        ),
        "bodies": (
            sizes.captures,
            {"sha256": sha256, "codec": "'gzip'", "data": body},
        ),
        "parse_results": (
            sizes.captures - 3,
            {
                "id": "n",
                "capture_id": "pg_temp.capture_id(n)",
                "parser_version": "6",
                "outcome": outcome,
                "is_current": "true",
            },
        ),
        "unparsed_captures": (3, {"capture_id": f"pg_temp.capture_id(n + {sizes.captures - 3})"}),
        "posts": (
            posts,
            {
                "id": "n",
                "account_id": account,
                "aid": f"{mid} || '_1'",
                "mid": mid,
                "idx": "1",
                "title": "'合成标题' || n",
                "url": url,
                "published_on": day,
                "account_name": "'合成账号'",
                "text": "'合成正文' || n",
                "published_at": f"{day}::timestamptz + interval '1 hour' * (n % 20)",
                "kind": "(ARRAY['article','picture','video'])[1 + n % 3]",
                "content_hash": "md5(n::text)",
                "source": "'page'",
                "capture_id": "pg_temp.capture_id(n)",
                "first_archived_at": f"{day}::timestamptz + interval '1 day'",
                "current_version_id": "n",
            },
        ),
        "versions": (
            posts + posts // 20,
            {
                "id": "n",
                "post_id": post,
                "number": f"1 + (n - 1) / {posts}",
                "title": "'合成标题' || n",
                "text": "'合成正文' || n",
                "content_hash": "md5(n::text)",
                "source": "'page'",
                "capture_id": "pg_temp.capture_id(n)",
                "run_id": f"1 + n % {sizes.runs}",
                "parser_version": "6",
                "recorded_at": f"{_NOW} - n * interval '1 minute'",
                "evidence_at": f"{_NOW} - ({sizes.captures} - n) * interval '5 minutes' - interval '10 minutes'",
            },
        ),
        "absences": (
            posts // 10,
            {
                "id": "n",
                "post_id": "n * 10",
                "outcome": "'deleted'",
                "first_missing_at": f"{_NOW} - n * interval '1 hour'",
                "last_missing_at": f"{_NOW} - n * interval '1 hour'",
                "capture_id": "pg_temp.capture_id(n)",
                "returned_at": f"CASE WHEN n % 5 = 0 THEN {_NOW} - n * interval '10 minutes' END",
            },
        ),
        "post_search_documents": (
            posts,
            {
                "post_id": "n",
                "account_id": account,
                "published_on": day,
                "kind": "(ARRAY['article','picture','video'])[1 + n % 3]",
                "words": "'合成标题' || n || E'\\n' || '合成正文' || n",
            },
        ),
        "post_links": (
            posts * 2,
            {
                "id": "n",
                "post_id": post,
                "capture_id": f"pg_temp.capture_id({post})",
                "relation": f"CASE WHEN n <= {posts} THEN 'post' ELSE 'album' END",
                "key": f"CASE WHEN n <= {posts} THEN {key} ELSE (n % 1000)::text END",
                "url": f"{url} || '&chksm=' || md5(n::text)",
                "text": "'见前文'",
                "position": "0",
            },
        ),
        "files": (
            sizes.media // 2,
            {
                "id": "n",
                "sha256": sha256,
                "size": "1000",
                "media_type": "'image/png'",
                "path": "md5(n::text)",
            },
        ),
        "media": (
            sizes.media,
            {
                "id": "n",
                "key": "'https://mmbiz.qpic.cn/' || n",
                "url": "'https://mmbiz.qpic.cn/' || n",
                "type": "(ARRAY['image','audio','video'])[1 + n % 3]",
                "file_id": f"CASE WHEN n <= {sizes.media // 2} THEN n END",
                "next_fetch_at": f"CASE WHEN n > {sizes.media // 2} THEN {_NOW} - n * interval '1 minute' END",
                "expires_at": f"CASE WHEN n % 30 = 2 THEN {_NOW} - n * interval '30 seconds' END",
            },
        ),
        "post_media": (
            sizes.media,
            {
                "id": "n",
                "post_id": post,
                "medium_id": "n",
                "capture_id": f"pg_temp.capture_id({post})",
                "role": "'image'",
                "position": f"(n - 1) / {posts}",
            },
        ),
        "incidents": (
            sizes.incidents,
            {
                "id": "n",
                "kind": "'quiet'",
                "subject": "'x' || n",
                "code": "'archive.verbatim'",
                "params": """'{"text": "x", "remedy": "y"}'::jsonb""",
                "opened_at": f"{_NOW} - n * interval '1 hour'",
                "last_seen_at": f"{_NOW} - n * interval '1 hour'",
                "closed_at": f"CASE WHEN n > 10 THEN {_NOW} - n * interval '1 hour' + interval '10 minutes' END",
                "opened_notified_at": f"{_NOW} - n * interval '1 hour'",
                "closed_notified_at": f"CASE WHEN n > 10 THEN {_NOW} - n * interval '1 hour' END",
            },
        ),
        "sources": (
            accounts * 2,
            {
                "id": "n",
                "account_id": account,
                "type": "'album'",
                "external_id": "n",
                "state": "'ok'",
                "last_tried_at": _NOW,
                "last_good_at": _NOW,
                "next_fetch_at": f"{_NOW} + interval '1 hour'",
            },
        ),
        "chains": (
            accounts,
            {"id": "n", "biz": _BIZ.format(n="n"), "length": f"{posts // accounts}", "digest": sha256},
        ),
        "chain_entries": (
            posts,
            {
                "id": "n",
                "chain_id": account,
                "position": f"1 + (n - 1) / {accounts}",
                "capture_id": "pg_temp.capture_id(n)",
                "content_digest": sha256,
                "digest": sha256,
            },
        ),
    }


_COLUMNS = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped"
)


def _insert(connection: Connection, table: str, count: int, columns: Mapping[str, str]) -> None:
    """Insert rows; what this schema has no column or table for is left out."""
    present = set(connection.scalars(_COLUMNS, {"table": table}))
    if not present:
        return
    chosen = {name: value for name, value in columns.items() if name in present}
    if "seal" in present:
        chosen["seal"] = "''::bytea"
    names, values = ", ".join(chosen), ", ".join(chosen.values())
    statement = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values}"
    connection.exec_driver_sql(f"{statement} FROM generate_series(1, {count}) n".replace("%", "%%"))


_SEQUENCES = text(
    "SELECT table_name FROM information_schema.columns"
    " WHERE table_schema = 'public' AND column_name = 'id' AND is_identity = 'YES'"
)


def _set_sequences(connection: Connection) -> None:
    for table in {*connection.scalars(_SEQUENCES), "captures"}:
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        latest = f"max(id % {SERIALS})"
        connection.execute(text(f"SELECT setval({sequence}, {latest}) FROM {table} HAVING {latest} > 0"))
