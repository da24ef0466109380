"""text: pages, read again from their bytes, say what is stored of them."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.db.models import Account, CaptureRow, MediumRow, Post, PostLink, PostMedium, Version
from archive.domain.errors import IntegrityError
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, page_associations, page_facts
from archive.domain.pg_text import storable
from archive.domain.records import Record, record_hash
from archive.integrity.check import BatchResult, Check, Finding, RowRange
from archive.repository import captures

NAME = "text"

ROWS = 16  # pages of a tenth of a second each

EARLIER = "pages read by another version of the parser; `mparchive reparse --apply` reads them anew"

UNREAD = "pages not read yet; the next crawl reads them"

REMEDY = "restore it from a backup"


def _look(look: RowRange) -> BatchResult:
    columns = (CaptureRow.id, CaptureRow.outcome, CaptureRow.reason, CaptureRow.parser_version)
    rows = look.session.execute(select(*columns).where(look.has(CaptureRow.id)).order_by(CaptureRow.id)).all()
    found = BatchResult(len(rows))
    for row in rows:
        if row.outcome is None:
            found.notes[UNREAD] += 1
        elif row.parser_version != look.means.parser_version:
            found.notes[EARLIER] += 1
        elif row.outcome != Outcome.UNKNOWN:  # some of those killed whoever read them
            found.findings += _read_again(look, row)
    return found


def _read_again(look: RowRange, row: Any) -> list[Finding]:
    try:
        reading = look.means.read(captures.load_capture(look.session, row.id))
    except IntegrityError:
        return []  # the bytes themselves are told of
    if reading.outcome != row.outcome:
        words = f"its page says {reading.outcome}, stored is {row.outcome}; {REMEDY}"
        return [Finding(NAME, "captures", row.id, words)]
    is_foreign = row.outcome == Outcome.ARTICLE and row.reason  # a post of another account
    if reading.record is None or reading.biz is None or is_foreign:
        return []
    return list(_against_post(look.session, row.id, reading, reading.record))


def _against_post(
    session: Session, capture_id: int, reading: ParsedPage, record: Record
) -> Iterator[Finding]:
    rows = select(Post).join(Account, Account.id == Post.account_id)
    post = session.scalar(rows.where(Account.biz == reading.biz, Post.aid == record.aid))
    if post is None:
        words = f"its page is post {record.aid} of {reading.biz}, which is gone; {REMEDY}"
        yield Finding(NAME, "captures", capture_id, words)
        return
    yield from _against_versions(session, capture_id, reading, record, post.id)
    if post.capture_id == capture_id and not _is_told_by_others(session, reading, post):
        yield from _against_current(session, reading, record, post)


def _against_versions(
    session: Session, capture_id: int, reading: ParsedPage, record: Record, post_id: int
) -> Iterator[Finding]:
    rows = select(Version.content_hash).where(Version.post_id == post_id)
    if not reading.needs_browser and record_hash(record) not in set(session.scalars(rows)):
        yield Finding(NAME, "captures", capture_id, f"no version has what its page says; {REMEDY}")


def _is_told_by_others(session: Session, reading: ParsedPage, post: Post) -> bool:
    """Its page is only half a one, and it has its text from a dump."""
    rows = select(Version.id).where(Version.post_id == post.id).limit(1)
    return reading.needs_browser and session.scalar(rows) is not None


def _against_current(session: Session, reading: ParsedPage, record: Record, post: Post) -> Iterator[Finding]:
    """The post, its media and its links are those of this page."""
    told = {"title": storable(record.title), "text": storable(record.text), "published_on": record.date}
    told |= {name: value for name, value in page_facts(reading).items() if name != "facts"}
    for name, value in told.items():
        stored = getattr(post, name)
        if (str(stored) if name == "published_on" else stored) != value:
            yield Finding(NAME, "posts", post.id, f"its {name} is not what its page says; {REMEDY}")
    media, links = page_associations(reading)
    yield from _differences(post, "post_media", media, _media_of(session, post))
    yield from _differences(post, "post_links", links, _links_of(session, post))


def _media_of(session: Session, post: Post) -> Iterable[tuple[str, str]]:
    rows = select(PostMedium.role, MediumRow.key).join(MediumRow, MediumRow.id == PostMedium.medium_id)
    rows = rows.where(PostMedium.post_id == post.id, PostMedium.capture_id == post.capture_id)
    return [(role, key) for role, key in session.execute(rows)]


def _links_of(session: Session, post: Post) -> Iterable[tuple[str, str]]:
    rows = select(PostLink.relation, PostLink.key)
    rows = rows.where(PostLink.post_id == post.id, PostLink.capture_id == post.capture_id)
    return [(relation, key) for relation, key in session.execute(rows)]


def _differences(
    post: Post, table: str, told: set[tuple[str, str]], stored: Iterable[tuple[str, str]]
) -> Iterator[Finding]:
    missing, strange = told - set(stored), set(stored) - told
    if missing:
        words = f"{len(missing)} of its page's rows in {table} are gone; {REMEDY}"
        yield Finding(NAME, "posts", post.id, words)
    if strange:
        words = f"{len(strange)} rows in {table} are not of its page; {REMEDY}"
        yield Finding(NAME, "posts", post.id, words)


CHECKS = (Check(NAME, "captures", ROWS, _look, is_heavy=True),)
