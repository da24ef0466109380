"""Check posts: their hashes and versions, their absences, and what their pages say when parsed again."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, func, literal, select
from sqlalchemy.orm import Session

from archive.db.models import (
    Absence,
    Account,
    Capture,
    Medium,
    ParseResult,
    Post,
    PostLink,
    PostMedium,
    Version,
)
from archive.domain.errors import IntegrityError
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, page_associations, page_facts
from archive.domain.records import HASH_VERSION, Record, record_hash
from archive.domain.text import storable
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository import absences, captures
from archive.repository.post_queries import IS_ITS_RESULT

POSTS, ABSENCES, PAGES = "posts", "absences", "text"  # names of the checks

POSTS_AT_ONCE = 1000

PAGES_AT_ONCE = 16  # parsing takes a tenth of a second each


def check_versions(rows: RowRange) -> BatchResult:
    """Check that versions have the hash of their title and text."""
    is_right = Version.content_hash == _content_hash(Version.title, Version.text)
    query = select(Version.id, is_right).where(rows.contains(Version.id)).order_by(Version.id)
    found = rows.session.execute(query).all()
    message = Message("archive.integrity.content_hash_differs")
    return BatchResult(
        len(found), [Finding(POSTS, "versions", id_, message) for id_, right in found if not right]
    )


def check_posts(rows: RowRange) -> BatchResult:
    """Check that each post has its hash and aid, and is one of its versions."""
    versions = select(Version.id).where(Version.post_id == Post.id)
    is_current = (Version.id == Post.current_version_id) & (Version.content_hash == Post.content_hash)
    same = versions.where(is_current)
    awaits_text = ~versions.exists() & (Post.text == "")  # until a browser has rendered the page
    query = select(
        Post.id,
        (Post.content_hash == _content_hash(Post.title, Post.text)).label("has_its_hash"),
        (same.exists() | awaits_text).label("is_version"),
        (Post.aid == func.concat(Post.mid, "_", Post.idx)).label("has_its_aid"),
    )
    result = BatchResult()
    for row in rows.session.execute(query.where(rows.contains(Post.id)).order_by(Post.id)):
        result.rows += 1
        conditions = {
            "archive.integrity.content_hash_differs": row.has_its_hash,
            "archive.integrity.post_of_no_version": row.is_version,
            "archive.integrity.aid_differs": row.has_its_aid,
        }
        wrong = [Message(code) for code, holds in conditions.items() if not holds]
        result.findings += [Finding(POSTS, "posts", row.id, message) for message in wrong]
    return result


def _content_hash(title: Any, text: Any) -> ColumnElement[str]:
    """Return archive.domain.records.record_hash as an SQL expression."""
    parts = [
        func.int8send(cast(func.octet_length(part), BigInteger)).op("||")(func.convert_to(part, "UTF8"))
        for part in (title, text)
    ]
    return literal(f"{HASH_VERSION}:").op("||")(func.encode(func.sha256(parts[0].op("||")(parts[1])), "hex"))


def check_absences(rows: RowRange) -> BatchResult:
    """Check that the recorded absences are those that the captures of each post show."""
    ids = rows.session.scalars(select(Post.id).where(rows.contains(Post.id)).order_by(Post.id)).all()
    expected = {
        (post_id, absence.capture_id): asdict(absence)
        for post_id, of_post in absences.compute_absences(rows.session, ids).items()
        for absence in of_post
    }
    result = BatchResult(len(ids))
    stored = select(Absence).where(Absence.post_id.in_(ids)).order_by(Absence.id)
    for row in rows.session.scalars(stored):
        values = expected.pop((row.post_id, row.capture_id), None)
        if values is None or any(getattr(row, name) != value for name, value in values.items()):
            message = Message("archive.integrity.absence_differs")
            result.findings.append(Finding(ABSENCES, "absences", row.id, message))
    if expected:
        result.notes["archive.integrity.note_absences_not_recorded"] += len(expected)
    return result


def check_pages(rows: RowRange) -> BatchResult:
    """Parse pages again, and check that what is stored is what they say."""
    columns = (Capture.id, ParseResult.outcome, ParseResult.reason, ParseResult.parser_version)
    query = select(*columns).outerjoin(ParseResult, IS_ITS_RESULT)
    query = query.where(rows.contains(Capture.id)).order_by(Capture.id)
    found = rows.session.execute(query).all()
    result = BatchResult(len(found))
    for row in found:
        if row.outcome is None:
            result.notes["archive.integrity.note_not_parsed"] += 1
        elif row.parser_version != rows.context.parser_version:
            result.notes["archive.integrity.note_other_parser"] += 1
        elif row.outcome != Outcome.UNKNOWN:  # some of those killed the process that parsed them
            result.findings += _parse_again(rows, row)
    return result


def _parse_again(rows: RowRange, row: Any) -> list[Finding]:
    try:
        parsed = rows.context.parse(captures.load_capture(rows.session, row.id))
    except IntegrityError:
        return []  # the check of bodies reports it
    if parsed.outcome != row.outcome:
        outcomes = {"parsed": str(parsed.outcome), "stored": str(row.outcome)}
        return [Finding(PAGES, "captures", row.id, Message("archive.integrity.outcome_differs", outcomes))]
    is_foreign = row.outcome == Outcome.ARTICLE and row.reason  # a post of another account
    if parsed.record is None or parsed.biz is None or is_foreign:
        return []
    return list(_compare_post(rows.session, row.id, parsed, parsed.record))


def _compare_post(session: Session, capture_id: int, parsed: ParsedPage, record: Record) -> Iterator[Finding]:
    rows = select(Post).join(Account, Account.id == Post.account_id)
    post = session.scalar(rows.where(Account.biz == parsed.biz, Post.aid == record.aid))
    if post is None:
        names = {"aid": record.aid, "biz": parsed.biz}
        yield Finding(PAGES, "captures", capture_id, Message("archive.integrity.post_gone", names))
        return
    hashes = set(session.scalars(select(Version.content_hash).where(Version.post_id == post.id)))
    if not parsed.needs_browser and record_hash(record) not in hashes:
        yield Finding(PAGES, "captures", capture_id, Message("archive.integrity.version_gone"))
    has_text_of_dump = parsed.needs_browser and bool(hashes)  # the page alone has no text
    if post.capture_id == capture_id and not has_text_of_dump:
        yield from _compare_current_page(session, parsed, record, post)


def _compare_current_page(
    session: Session, parsed: ParsedPage, record: Record, post: Post
) -> Iterator[Finding]:
    """Compare a post, its media and its links with its current page."""
    expected = {"title": storable(record.title), "text": storable(record.text), "published_on": record.date}
    expected |= {name: value for name, value in page_facts(parsed).items() if name != "page_metadata"}
    for name, value in expected.items():
        stored = getattr(post, name)
        if (str(stored) if name == "published_on" else stored) != value:
            message = Message("archive.integrity.post_column_differs", {"column": name})
            yield Finding(PAGES, "posts", post.id, message)
    media, links = page_associations(parsed)
    yield from _compare_associations(post, "post_media", media, _media_of(session, post))
    yield from _compare_associations(post, "post_links", links, _links_of(session, post))


def _media_of(session: Session, post: Post) -> Iterable[tuple[str, str]]:
    rows = select(PostMedium.role, Medium.key).join(Medium, Medium.id == PostMedium.medium_id)
    rows = rows.where(PostMedium.post_id == post.id, PostMedium.capture_id == post.capture_id)
    return [(role, key) for role, key in session.execute(rows)]


def _links_of(session: Session, post: Post) -> Iterable[tuple[str, str]]:
    rows = select(PostLink.relation, PostLink.key)
    rows = rows.where(PostLink.post_id == post.id, PostLink.capture_id == post.capture_id)
    return [(relation, key) for relation, key in session.execute(rows)]


def _compare_associations(
    post: Post, table: str, expected: set[tuple[str, str]], stored: Iterable[tuple[str, str]]
) -> Iterator[Finding]:
    missing, additional = len(expected - set(stored)), len(set(stored) - expected)
    if missing:
        counts = {"n": missing, "table": table}
        yield Finding(PAGES, "posts", post.id, Message("archive.integrity.page_rows_missing", counts))
    if additional:
        counts = {"n": additional, "table": table}
        yield Finding(PAGES, "posts", post.id, Message("archive.integrity.page_rows_additional", counts))


POST_CHECKS = (
    Check(POSTS, "versions", POSTS_AT_ONCE, check_versions),
    Check(POSTS, "posts", POSTS_AT_ONCE, check_posts),
)

ABSENCE_CHECK = Check(ABSENCES, "posts", absences.ABSENCE_BATCH, check_absences)

PAGE_CHECK = Check(PAGES, "captures", PAGES_AT_ONCE, check_pages, is_heavy=True)
