"""What a link of a chain vouches for, by the rule of docs/integrity.md; in SQL: the rows stay where they are.

A row's content is the SHA-256 of a JSON array of its values; it holds nothing that may change later.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, Text, case, cast, func, literal, select
from sqlalchemy.orm import aliased

from archive.models import Account, AddressRow, CaptureRow, Post, Version

_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
_LONG_KEY = "^[^:]+:[0-9]+:[0-9]+$"


def capture_contents() -> Select[int, str, bytes]:
    """Captures: id, biz of the chain each belongs to when it is kept, and content."""
    row = CaptureRow
    values = (
        row.requested_url,
        row.final_url,
        row.status,
        row.headers,
        _hex(row.sha256),
        row.body_size,
        _instant(row.fetched_at),
        row.rendered,
        _hash(cast(row.evaluated, Text)),
        AddressRow.key,
    )
    chosen = select(row.id, _biz().label("biz"), _content("capture", *values).label("content"))
    return chosen.outerjoin(AddressRow, AddressRow.id == row.address_id)


def version_contents() -> Select[int, str, bytes]:
    """Versions: id, biz of the chain each belongs to, and content."""
    row, page = Version, aliased(CaptureRow)
    values = (
        Account.biz,
        Post.aid,
        row.number,
        row.content_hash,
        row.source,
        _hex(page.sha256),
        row.parser_version,
        _instant(row.recorded_at),
    )
    chosen = select(row.id, Account.biz.label("biz"), _content("version", *values).label("content"))
    chosen = chosen.join(Post, Post.id == row.post_id).join(Account, Account.id == Post.account_id)
    return chosen.outerjoin(page, page.id == row.capture_id)


def _biz() -> ColumnElement[str]:
    """The account of a capture's address, as far as the address or who told of it says."""
    told = case((AddressRow.key.regexp_match(_LONG_KEY), func.split_part(AddressRow.key, ":", 1)))
    return func.coalesce(told, AddressRow.expected_biz, "")


def _content(subject: str, *values: Any) -> ColumnElement[bytes]:
    return _sha256(cast(func.jsonb_build_array(cast(literal(subject), Text), *values), Text))


def _hash(text: Any) -> ColumnElement[str]:
    return _hex(_sha256(text))


def _sha256(text: Any) -> ColumnElement[bytes]:
    return func.sha256(func.convert_to(text, "UTF8"))


def _hex(value: Any) -> ColumnElement[str]:
    return func.encode(value, "hex")


def _instant(value: Any) -> ColumnElement[str]:
    return func.to_char(func.timezone("UTC", value), _INSTANT)
