"""The worker's side of a discovery: what the archive knows before it, and noting what each source said."""

import logging
import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from archive.domain.captures import Sighted, Sighting
from archive.domain.errors import in_words
from archive.domain.weekly_digest import Title, WeeklyDigest
from archive.ingest.faults import is_of_content
from archive.repository import frontier, sources
from archive.repository.sources import SourceReport, TitledPost
from crawler.discovery.screening import screen
from crawler.discovery.source import Found, State
from crawler.discovery.sources.archived_links import Linked, Neighbourhood
from crawler.worker.tasks import in_transaction

logger = logging.getLogger("crawler")

MAX_LINKED = 2000  # posts of one try that known ones lead to

MAX_ALBUMS = 200

MAX_TITLES = 20_000  # posts of an account whose titles digests are compared with

MAX_DIGESTS = 60  # the newest: over a year of weeks


@dataclass(frozen=True)
class Before:
    """What the archive knows of an account before its sources are tried; memories by source."""

    around: Neighbourhood
    memories: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Recorded:
    """What was noted of a source: its findings after the screening, and how many addresses were new."""

    found: Found
    new: int


def before(biz: str, digest_title: str) -> Before:
    """Read it; `digest_title` is a regular expression that the titles of digests match."""

    def read(session: Session) -> Before:
        return Before(_around(session, biz, digest_title), sources.source_memories(session, biz))

    return in_transaction(read)


def _around(session: Session, biz: str, digest_title: str) -> Neighbourhood:
    posts = sources.titled_posts(session, biz, MAX_TITLES)
    linked = sources.linked_addresses(session, biz, MAX_LINKED)
    return Neighbourhood(
        linked=tuple(Linked(one.url, one.text, one.posts) for one in linked),
        digests=_digests(session, posts, digest_title),
        titles=tuple(Title(post.title, post.published_on) for post in posts),
        albums=tuple(sources.linked_albums(session, biz, MAX_ALBUMS)),
    )


def _digests(session: Session, posts: list[TitledPost], digest_title: str) -> tuple[WeeklyDigest, ...]:
    pattern = re.compile(digest_title)
    chosen = [post for post in posts if pattern.search(post.title)][:MAX_DIGESTS]
    texts = sources.post_texts(session, [post.id for post in chosen])
    return tuple(WeeklyDigest(post.aid, post.title, post.published_on, texts[post.id]) for post in chosen)


def record(run_id: int, biz: str, name: str, found: Found, now: datetime) -> Recorded:
    """Note what a source found, as far as it is believed."""
    screened = screen(found, biz, name, now)
    told = screened.found
    detail = " ".join(filter(None, (told.detail, *told.warnings)))
    report = SourceReport(
        biz, name, told.state, told.state.good, detail, screened.sightings, told.newest, told.memory
    )
    try:
        sighted = in_transaction(lambda session: sources.record_report(session, run_id, report, now))
    except Exception as error:
        if not is_of_content(error):
            raise
        return _without_unstorable(run_id, report, told, now, in_words(error))
    return Recorded(told, len({one.key for one in sighted if one.is_new}))


def _without_unstorable(run_id: int, report: SourceReport, told: Found, now: datetime, why: str) -> Recorded:
    """Note the sightings that can be stored, each by itself, and that the source is not understood."""
    detail = f"something it lists could not be stored: {why}"
    new = 0
    for sighting in report.sightings:
        try:
            sighted = in_transaction(partial(_sight, run_id=run_id, sighting=sighting, now=now))
        except Exception as error:
            if not is_of_content(error):
                raise
            logger.error("action=listing_unstorable source=%s reason=%s", report.name, type(error).__name__)
            continue
        new += sighted.is_new
    failed = replace(told, state=State.NOT_UNDERSTOOD, detail=detail, seen=(), memory={})
    bare = SourceReport(report.biz, report.name, failed.state, False, detail, (), None, {})
    in_transaction(lambda session: sources.record_report(session, run_id, bare, now))
    return Recorded(failed, new)


def _sight(session: Session, run_id: int, sighting: Sighting, now: datetime) -> Sighted:
    (sighted,) = frontier.record_sightings(session, run_id, [sighting], now)
    return sighted
