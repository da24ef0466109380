"""Define the facts that hash chains vouch for besides captures, versions and removals, and read them.

A fact belongs to one row and changes with it: the newest entry of a row's fact is the SHA-256 of what the row
says now. docs/reference/integrity.md states the rules; to change one, add a kind.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Dialect, Row, TextClause, bindparam, func, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from archive.db.models import Address


class FactKind(StrEnum):
    """What a fact is about."""

    ACCOUNT = "account"
    ADDRESS = "address"
    SIGHTING = "sighting"
    PARSE_RESULT = "parse_result"
    POST = "post"
    POST_MEDIA = "post_media"
    POST_LINKS = "post_links"
    ABSENCES = "absences"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class FactRule:
    """How a fact is read: `r` is the row of `table` it belongs to.

    `biz` is the account whose chain gets the first entry; later ones go into the same chain. While `is_empty`
    holds, a row without an entry needs none.
    """

    table: str
    rows: str
    biz: str
    values: str
    is_empty: str = "false"

    def select(self, kind: FactKind, condition: str) -> str:
        """Return the SQL of the facts of the rows that meet a condition: id, biz, is_empty, content."""
        fact = f"jsonb_build_array('{kind}'::text, {self.values})"
        content = f"sha256(convert_to({fact}::text, 'UTF8'))"
        columns = f"r.id, {self.biz} AS biz, {self.is_empty} AS is_empty, {content} AS content"
        return f"SELECT {columns} FROM {self.rows} WHERE {condition}"  # noqa: S608 - constants of this module


def _utc(column: str) -> str:
    return f"timezone('UTC', {column})"


_FINAL = (
    "r.last_outcome IN ('article', 'deleted', 'violation', 'unavailable', 'expired_link', 'migrated',"
    " 'private', 'bad_request', 'forgotten')"
)

_CLOSED = (
    f"CASE WHEN {_FINAL} THEN r.last_outcome WHEN r.next_fetch_at IS NULL THEN 'given_up' END,"
    f" CASE WHEN {_FINAL} THEN r.last_reason END"
)


def chain_biz(address: type[Address]) -> ColumnElement[str]:
    """Return whose chain an address belongs to: its account's, else that whose source listed it."""
    return func.coalesce(address.biz, address.expected_biz, "")


def _sql(expression: ColumnElement[str]) -> str:
    """Return an expression as text, of which a rule is composed."""
    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _key_of(address: str) -> str:
    key: ColumnElement[str] = aliased(Address, name=address).key.expression
    return _sql(key)


def _biz_of_address(address: str) -> str:
    return _sql(chain_biz(aliased(Address, name=address)))


_BIZ_OF_ACCOUNT = "(SELECT biz FROM accounts WHERE id = r.account_id)"

_OF_POST = f"{_BIZ_OF_ACCOUNT}, r.aid"

_VERSIONS = (
    "(SELECT jsonb_agg(jsonb_build_array(number, capture_id, run_id) ORDER BY number)"
    " FROM versions WHERE post_id = r.id)"
)

_PARSE_RESULTS = f"""(SELECT jsonb_agg(jsonb_build_array(parser_version, outcome, reason,
 {_utc("parsed_at")}, is_current) ORDER BY id) FROM parse_results WHERE capture_id = r.id)"""  # noqa: S608 - constants

_MEDIA = f"""(SELECT jsonb_agg(jsonb_build_array(s.role, s.position, m.key, m.type, {_utc("m.first_seen_at")},
 s.capture_id, s.page_metadata) ORDER BY s.role COLLATE "C", s.position, m.key COLLATE "C")
 FROM post_media s JOIN media m ON m.id = s.medium_id WHERE s.post_id = r.id)"""  # noqa: S608 - constants

_LINKS = """(SELECT jsonb_agg(jsonb_build_array(relation, position, key, url, text, capture_id, page_metadata)
 ORDER BY relation COLLATE "C", key COLLATE "C") FROM post_links WHERE post_id = r.id)"""

_ABSENCES = f"""(SELECT jsonb_agg(jsonb_build_array(outcome, reason, {_utc("last_seen_at")},
 {_utc("first_missing_at")}, {_utc("last_missing_at")}, capture_id, {_utc("returned_at")},
 returned_capture_id) ORDER BY capture_id) FROM absences WHERE post_id = r.id)"""  # noqa: S608 - constants

_FIRST_BIZ = """coalesce((SELECT accounts.biz FROM post_media s JOIN posts ON posts.id = s.post_id
 JOIN accounts ON accounts.id = posts.account_id WHERE s.medium_id = r.id ORDER BY s.id LIMIT 1), '')"""


def _no_row_in(table: str) -> str:
    return f"NOT EXISTS (SELECT FROM {table} WHERE post_id = r.id)"


RULES: Mapping[FactKind, FactRule] = {
    FactKind.ACCOUNT: FactRule(
        "accounts", "accounts r", "r.biz", f"r.biz, r.name, {_utc('r.first_seen_at')}"
    ),
    FactKind.ADDRESS: FactRule(
        "addresses",
        "addresses r",
        _biz_of_address("r"),
        f"{_key_of('r')}, r.url, r.aid, {_BIZ_OF_ACCOUNT}, r.expected_biz, {_utc('r.first_seen_at')},"
        f" {_CLOSED}",
    ),
    FactKind.SIGHTING: FactRule(
        "sightings",
        "sightings r JOIN addresses a ON a.id = r.address_id",
        _biz_of_address("a"),
        f"{_key_of('a')}, r.source, r.url, r.title, r.listing, {_utc('r.first_seen_at')}, r.run_id",
    ),
    FactKind.PARSE_RESULT: FactRule(
        "captures",
        "captures r LEFT JOIN addresses a ON a.id = r.address_id",
        _biz_of_address("a"),
        f"encode(r.sha256, 'hex'), {_utc('r.fetched_at')}, r.run_id, {_PARSE_RESULTS}",
        "NOT EXISTS (SELECT FROM parse_results WHERE capture_id = r.id)",
    ),
    FactKind.POST: FactRule(
        "posts",
        "posts r",
        _BIZ_OF_ACCOUNT,
        f"{_OF_POST}, r.mid, r.idx, r.url, r.published_on, r.account_name, r.content_hash, r.source,"
        f" r.capture_id, r.title, r.current_version_id, {_utc('r.first_archived_at')},"
        f" {_utc('r.published_at')}, r.kind, r.page_metadata,"
        f" encode(sha256(convert_to(r.html, 'UTF8')), 'hex'), {_VERSIONS}",
    ),
    FactKind.POST_MEDIA: FactRule(
        "posts", "posts r", _BIZ_OF_ACCOUNT, f"{_OF_POST}, {_MEDIA}", _no_row_in("post_media")
    ),
    FactKind.POST_LINKS: FactRule(
        "posts", "posts r", _BIZ_OF_ACCOUNT, f"{_OF_POST}, {_LINKS}", _no_row_in("post_links")
    ),
    FactKind.ABSENCES: FactRule(
        "posts", "posts r", _BIZ_OF_ACCOUNT, f"{_OF_POST}, {_ABSENCES}", _no_row_in("absences")
    ),
    FactKind.FILE: FactRule(
        "media",
        "media r LEFT JOIN files f ON f.id = r.file_id",
        _FIRST_BIZ,
        f"r.key, r.url, r.type, {_utc('r.first_seen_at')}, encode(f.sha256, 'hex'), f.size, f.media_type,"
        f" f.width, f.height, {_utc('f.first_stored_at')}",
        "r.file_id IS NULL",
    ),
}

OF_POSTS = (FactKind.POST, FactKind.POST_MEDIA, FactKind.POST_LINKS, FactKind.ABSENCES)

LAST_ENTRY = """SELECT content_digest, chain_id FROM chain_entries
 WHERE fact_kind = '{kind}' AND fact_id = {id} ORDER BY position DESC LIMIT 1"""

FactIds = Mapping[FactKind, Collection[int]]


def changed_facts(session: Session, ids: FactIds) -> Iterable[Row[*tuple[Any, ...]]]:
    """Return the facts of these rows that differ from their last entries: kind, id, biz, content."""
    wanted = {kind: sorted(ids[kind]) for kind in RULES if ids.get(kind)}
    return session.execute(_changed(tuple(wanted)), {f"ids_{kind}": wanted[kind] for kind in wanted})


@cache
def _changed(kinds: tuple[FactKind, ...]) -> TextClause:
    parts = [
        f"SELECT {place} AS place, '{kind}' AS kind, f.id, coalesce(chains.biz, f.biz) AS biz, f.content"  # noqa: S608
        f" FROM ({RULES[kind].select(kind, f'r.id = ANY(:ids_{kind})')}) f"
        f" LEFT JOIN LATERAL ({LAST_ENTRY.format(kind=kind, id='f.id')}) last ON true"
        " LEFT JOIN chains ON chains.id = last.chain_id"
        " WHERE f.content IS DISTINCT FROM last.content_digest"
        " AND NOT (f.is_empty AND last.content_digest IS NULL)"
        for place, kind in enumerate(kinds)
    ]
    statement = text(" UNION ALL ".join(parts) + " ORDER BY place, id")
    return statement.bindparams(*(bindparam(f"ids_{kind}", type_=ARRAY(BigInteger)) for kind in kinds))


@cache
def facts_of(kind: FactKind) -> TextClause:
    """Return the statement that reads the facts of the rows `ids`: id, is_empty, content."""
    statement = text(RULES[kind].select(kind, "r.id = ANY(:ids)"))
    return statement.bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
