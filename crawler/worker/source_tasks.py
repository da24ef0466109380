"""Tasks of the worker for a check of sources: what the archive knows before, and what each source lists."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy.orm import Session

from archive.domain.captures import Sighted, SightingData
from archive.domain.errors import error_message
from archive.domain.messages import Message
from archive.domain.weekly_digest import Title, WeeklyDigest
from archive.ingest.pages import is_of_content
from archive.repository import frontier, sources
from archive.repository.removals import forgotten_posts
from archive.repository.sources import SourceReport, TitledPost
from crawler.discovery.screening import screen
from crawler.discovery.source import SourceFindings, State
from crawler.discovery.sources.archived_links import LinkedPost, Neighbourhood
from crawler.worker.tasks import in_transaction

logger = structlog.get_logger("crawler")

MAX_LINKED = 2000  # posts of one run that archived ones link to

MAX_ALBUMS = 200

MAX_TITLES = 20_000  # posts of an account whose titles digests are compared with

MAX_DIGESTS = 60  # the newest: over a year of weeks


@dataclass(frozen=True)
class KnownOfAccount:
    """What the archive knows of an account before its sources are checked; memories by source."""

    archived: Neighbourhood
    memories: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a source: its findings after the screening, and how many addresses were new."""

    findings: SourceFindings
    new: int


def known_of(biz: str, digest_title: str) -> KnownOfAccount:
    """Return what is known; `digest_title` is a regular expression that the titles of digests match."""

    def read(session: Session) -> KnownOfAccount:
        return KnownOfAccount(_archived(session, biz, digest_title), sources.source_memories(session, biz))

    return in_transaction(read)


def _archived(session: Session, biz: str, digest_title: str) -> Neighbourhood:
    posts = sources.titled_posts(session, biz, MAX_TITLES)
    linked = sources.linked_addresses(session, biz, MAX_LINKED)
    forgotten = forgotten_posts(session, biz)  # known, and not wanted
    return Neighbourhood(
        linked=tuple(LinkedPost(one.url, one.text, one.posts) for one in linked),
        digests=_digests(session, posts, digest_title),
        titles=(
            *(Title(post.title, post.published_on) for post in posts),
            *(Title(post.title, post.published_on) for post in forgotten),
        ),
        albums=tuple(sources.linked_albums(session, biz, MAX_ALBUMS)),
    )


def _digests(session: Session, posts: list[TitledPost], digest_title: str) -> tuple[WeeklyDigest, ...]:
    pattern = re.compile(digest_title)
    digests = [post for post in posts if pattern.search(post.title)][:MAX_DIGESTS]
    texts = sources.post_texts(session, [post.id for post in digests])
    return tuple(WeeklyDigest(post.aid, post.title, post.published_on, texts[post.id]) for post in digests)


def record(run_id: int, biz: str, name: str, findings: SourceFindings, now: datetime) -> Recorded:
    """Store the sightings of a source after the screening, and its state."""
    screened = screen(findings, biz, name, now)
    kept = screened.findings
    report = SourceReport(
        biz,
        name,
        kept.state,
        kept.state.good,
        kept.summary.dump() if kept.summary else "",
        screened.sightings,
        kept.newest,
        kept.memory,
    )
    try:
        sighted = in_transaction(lambda session: sources.record_report(session, run_id, report, now))
    except Exception as error:
        if not is_of_content(error):
            raise
        return _record_storable(run_id, report, kept, now, error_message(error))
    return Recorded(kept, len({one.key for one in sighted if one.is_new}))


def _record_storable(
    run_id: int, report: SourceReport, findings: SourceFindings, now: datetime, reason: Message
) -> Recorded:
    """Record each sighting that can be stored by itself, and the source as not understood."""
    new = 0
    for sighting in report.sightings:
        try:
            sighted = in_transaction(partial(_record_sighting, run_id=run_id, sighting=sighting, now=now))
        except Exception as error:
            if not is_of_content(error):
                raise
            name = type(error).__name__
            logger.error("listing unstorable", action="listing_unstorable", source=report.name, reason=name)
            continue
        new += sighted.is_new
    detail = Message("crawler.source.unstorable", {"reason": reason})
    failed = replace(findings, state=State.NOT_UNDERSTOOD, detail=detail, posts=(), memory={})
    bare = SourceReport(report.biz, report.name, failed.state, False, detail.dump(), (), None, {})
    in_transaction(lambda session: sources.record_report(session, run_id, bare, now))
    return Recorded(failed, new)


def _record_sighting(session: Session, run_id: int, sighting: SightingData, now: datetime) -> Sighted:
    (sighted,) = frontier.record_sightings(session, run_id, [sighting], now)
    return sighted
