"""Evidence and remedies of gaps: an archive that lacks everything an archive can lack, told in Chinese."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive.audit import find_gaps
from archive.audit.gap import Gap, GapKind
from archive.db.models import Account, AddressRow, MediumRow
from archive.domain.addresses import parse_address
from archive.domain.captures import Sighting
from archive.domain.outcomes import MediumOutcome, Outcome, Relation
from archive.domain.parsed_page import ParsedPage
from archive.repository.address_outcomes import record_failures
from archive.repository.captures import store_captures
from archive.repository.frontier import record_sightings
from archive.repository.media import record_media_failure
from tests.archive.audit.test_missing_posts import DIGEST, LATER, answer, post, put, see
from tests.archive.making import BIZ, NOW, article, capture, image, link, record
from web.locale.sentences import translated

MONDAY = date(2025, 1, 6)


def _push_digest_and_silences(session: Session) -> None:
    put(session, post(10, 1), post(10, 3), post(11, title="合成一周要闻", text=DIGEST))
    see(session, post(12, title="虚构的第二条新闻标题"))
    days = [MONDAY + timedelta(days=n) for n in range(350) if n % 7 < 5 and n not in (30, 168, 169)]
    put(session, *(post(number, day=str(day)) for number, day in enumerate(days, 100)))


def _addresses(session: Session) -> None:
    failed, given_up, later = (see(session, post(number)) for number in (20, 21, 22))
    record_failures(session, None, [(one, "timed out") for one in (failed, given_up, later)], NOW)
    session.get_one(AddressRow, given_up).next_fetch_at = None
    session.get_one(AddressRow, later).next_fetch_at = LATER + timedelta(days=1)
    answer(session, post(23), ParsedPage(Outcome.EXPIRED_LINK))
    answer(session, post(24), ParsedPage(Outcome.UNKNOWN, "the answer is empty"))
    answer(session, post(25), article(post(25), needs_browser=True))
    store_captures(session, None, [(see(session, post(26)), capture(b"old"))])


def _links_and_images(session: Session) -> None:
    album = link(1, Relation.ALBUM, text="合成专辑", facts={"size": "9"})
    answer(session, record(1), article(record(1), links=(link(5), link(6, Relation.NEXT), album)))
    answer(session, record(2), article(record(2), links=(link(5),)))
    names = ("never", "refused", "failed")
    shown = (*map(image, names), image("over", expires_at=NOW))
    answer(session, record(3), article(record(3), media=shown))
    answer(session, record(4), article(record(4), media=(image("over_too", expires_at=NOW),)))
    ids = {row.url.split("/")[-2]: row.id for row in session.scalars(select(MediumRow))}
    record_media_failure(session, ids["refused"], MediumOutcome.REFUSED, "no image", NOW)
    record_media_failure(session, ids["failed"], MediumOutcome.FAILED, "timed out", NOW)


def gaps(session: Session) -> list[Gap]:
    """Of an account without a source, of the same with one, and of a link that tells no account."""
    _push_digest_and_silences(session)
    _addresses(session)
    account = session.scalars(select(Account.id).where(Account.biz == BIZ)).one()
    found = find_gaps(session, account, LATER)
    _links_and_images(session)
    url = "https://mp.weixin.qq.com/s/abcdefghijklmnopqrstuv"
    record_sightings(session, None, [Sighting(parse_address(url), "list", NOW)], NOW)
    sightless = parse_address(f"{url}x")
    session.add(AddressRow(key=sightless.key, url=sightless.url))
    session.flush()
    return [*found, *find_gaps(session, account, LATER), *find_gaps(session, None, LATER)]


def sentences_of_gaps(found: Sequence[Gap]) -> list[str]:
    """What is missing where it is no title, how that is known, and what fills it."""
    subjects = [gap.subject for gap in found if gap.kind is not GapKind.DIGEST and " " in gap.subject]
    return [*subjects, *(sentence for gap in found for sentence in (gap.what, gap.remedy))]


def test_every_gap_is_told_in_chinese(db_session: Session) -> None:
    found = gaps(db_session)
    assert {gap.kind for gap in found} == set(GapKind)
    assert [one for one in sentences_of_gaps(found) if translated(one) is None] == []


def test_how_far_asking_has_come_and_why_is_told_in_chinese_with_outside_words_as_they_are() -> None:
    assert translated("seen in album:1 on 2026-03-02; due, after 1 tries: no_answer (timed out)") == (
        "2026-03-02 见于 album:1；待抓取，已尝试 1 次：无应答（timed out）"
    )
    assert translated("places 1, 3 of push 10 are known, 2 is not") == (
        "推送 10 中已知的位次有 1、3，缺第 2 位"
    )
    assert translated(
        "seen in list on 2026-03-02; asked again 2026-03-03 12:00, after 2 tries: no_answer"
    ) == ("2026-03-02 见于 list；将于 2026-03-03 12:00 再次请求，已尝试 2 次：无应答")
