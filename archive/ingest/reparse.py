"""Parse stored captures again with a later parser: tell what would change, and write it.

A page that was a post and would no longer be one, or would be another, is reported and left as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from archive.db.models import Post
from archive.domain.messages import Message
from archive.domain.outcomes import Outcome
from archive.domain.parsed_page import ParsedPage, page_associations, page_facts
from archive.domain.records import Record, record_hash
from archive.domain.text import storable
from archive.domain.text_diff import Extent, difference, extent
from archive.ingest.pages import store_parse_results
from archive.repository.address_outcomes import drop_foreign_posts
from archive.repository.captures import (
    ParsedCapture,
    PostWithHistory,
    count_associations,
    parsed_captures,
    posts_with_history,
    remove_obsolete_associations,
)
from archive.repository.served_posts import drop_other_posts


class ReparseResult(StrEnum):
    """What parsing a capture again changes."""

    SAME = "same"
    FACTS = "facts"  # kind, time, HTML, media, links or other facts of the post
    TEXT = "text"  # a new version, which becomes the current text of the post
    EARLIER_TEXT = "earlier_text"  # a new version of an earlier page
    NEW = "new"  # a post that is not archived yet
    OUTCOME = "outcome"  # of a page that is not a post
    LOST = "lost"  # a post that would no longer be one, or would be another: nothing is written


@dataclass(frozen=True, slots=True)
class ReparsedCapture:
    """One capture parsed again: its outcome before and after, and how much of the text changes."""

    capture_id: int
    finding: ReparseResult
    before: str
    after: str
    aid: str = ""
    title: str = ""
    reason: str = ""
    extent: Extent | None = None


def compare_parse_results(
    session: Session, results: Sequence[tuple[int, ParsedPage]]
) -> list[ReparsedCapture]:
    """Return what these parse results, by capture id, would change; one for each, in order. Write nothing."""
    results = drop_foreign_posts(session, drop_other_posts(session, results))
    captures = parsed_captures(session, [capture_id for capture_id, _ in results])
    identities = [(page.biz, page.record.aid) for _, page in results if page.biz and page.record]
    posts = posts_with_history(session, identities)
    associations = count_associations(session, list(captures))
    return [
        _compare(captures[capture_id], page, posts, associations[capture_id]) for capture_id, page in results
    ]


def apply_parse_results(
    session: Session,
    run_id: int,
    results: Sequence[tuple[int, ParsedPage]],
    now: datetime,
    parser_version: int,
) -> list[ReparsedCapture]:
    """Write what parse results change, except for LOST captures; return what `compare_parse_results` does."""
    compared = compare_parse_results(session, results)
    changes = [
        result for result, one in zip(results, compared, strict=True) if one.finding is not ReparseResult.LOST
    ]
    store_parse_results(session, run_id, changes, now, parser_version)
    for capture_id, page in changes:
        remove_obsolete_associations(session, capture_id, page)
    return compared


def _compare(
    capture: ParsedCapture,
    page: ParsedPage,
    posts: dict[tuple[str, str], PostWithHistory],
    associations: tuple[int, int],
) -> ReparsedCapture:
    record = page.record
    known = posts.get((page.biz or "", record.aid)) if record else None
    finding, changed = _finding(capture, page, known, associations)
    return ReparsedCapture(
        capture_id=capture.id,
        finding=finding,
        before=capture.outcome,
        after=str(page.outcome),
        aid=record.aid if record else capture.aid or "",
        title=record.title if record else "",
        reason=str(Message.load(page.reason)),
        extent=changed,
    )


def _finding(
    capture: ParsedCapture, page: ParsedPage, known: PostWithHistory | None, associations: tuple[int, int]
) -> tuple[ReparseResult, Extent | None]:
    if _is_lost(capture, page):
        return ReparseResult.LOST, None
    if page.record is None:
        is_same = (capture.outcome, capture.reason) == (page.outcome, storable(page.reason))
        return ReparseResult.SAME if is_same else ReparseResult.OUTCOME, None
    if known is None:
        return ReparseResult.NEW, Extent(len(page.record.text), 0)
    return _finding_of_post(capture, page, page.record, known, associations)


def _finding_of_post(
    capture: ParsedCapture,
    page: ParsedPage,
    record: Record,
    known: PostWithHistory,
    associations: tuple[int, int],
) -> tuple[ReparseResult, Extent | None]:
    hash_ = record_hash(record)
    has_same_text = hash_ == known.post.content_hash
    has_same_facts = _stored_facts(known.post, associations) == _parsed_facts(page)
    if page.needs_browser:
        is_its_page = known.post.capture_id == capture.id and not known.hashes
        is_changed = is_its_page and not (has_same_text and has_same_facts)
        return ReparseResult.FACTS if is_changed else ReparseResult.SAME, None
    if has_same_text:
        is_changed = known.post.capture_id == capture.id and not has_same_facts
        return ReparseResult.FACTS if is_changed else ReparseResult.SAME, None
    if known.fetched_at is not None and capture.fetched_at < known.fetched_at:
        return ReparseResult.SAME if hash_ in known.hashes else ReparseResult.EARLIER_TEXT, None
    texts = (f"{one.title}\r{one.text}" for one in (known.post, record))
    return ReparseResult.TEXT, extent(difference(*texts))


def _is_lost(capture: ParsedCapture, page: ParsedPage) -> bool:
    """Tell whether a post would no longer be one, or would be another."""
    if capture.outcome != Outcome.ARTICLE or capture.reason:  # a reason: a post of another account
        return False
    return page.record is None or capture.aid not in (None, page.record.aid)


def _stored_facts(post: Post, associations: tuple[int, int]) -> tuple[Any, ...]:
    return post.kind, post.published_at, post.html, post.page_metadata, str(post.published_on), *associations


def _parsed_facts(page: ParsedPage) -> tuple[Any, ...]:
    facts = page_facts(page)
    media, links = page_associations(page)
    day = page.record.date if page.record else ""
    return (
        *(facts[name] for name in ("kind", "published_at", "html", "page_metadata")),
        day,
        len(media),
        len(links),
    )
