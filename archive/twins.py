"""Several addresses of one post, its long one and its short links: what one got, no other need get."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from archive.address import Address, canonical_url, parse_address
from archive.models import Account, AddressRow, Post
from archive.reading import Reading
from archive.text import storable
from archive.vocabulary import Outcome

BATCH = 500  # keys a statement
_KEY = Account.biz + ":" + func.replace(Post.aid, "_", ":")


def archived(session: Session, addresses: Sequence[Address]) -> set[str]:
    """Which of these keys are of posts whose page is archived, by whatever address it was fetched."""
    found: set[str] = set()
    long = [address for address in addresses if address.aid]
    for start in range(0, len(long), BATCH):
        batch = long[start : start + BATCH]
        keys = [address.key for address in batch]
        rows = select(_KEY).select_from(Post).join(Account, Account.id == Post.account_id)
        rows = rows.where(Post.aid.in_([address.aid for address in batch]), _KEY.in_(keys))
        found.update(session.scalars(rows.where(Post.capture_id.is_not(None))))
    return found


def keys_of(readings: Sequence[Reading]) -> dict[str, Reading]:
    """The long address's key of each post that was read."""
    return {
        f"{reading.biz}:{reading.record.aid.replace('_', ':')}": reading
        for reading in readings
        if reading.outcome is Outcome.ARTICLE and reading.biz and reading.record
    }


def settle_twin(row: AddressRow) -> None:
    """The post was just fetched at another address of it: nothing is left to ask for at one never asked."""
    if row.last_outcome is None and row.next_fetch_at is not None:
        row.next_fetch_at = None
        row.last_outcome, row.last_reason = Outcome.ARTICLE, "fetched at another address of the post"


def with_chksm(reading: Reading, urls: Mapping[str, str]) -> Reading:
    """The reading with the best address known of its post: a short link's page may not tell its chksm."""
    record = reading.record
    if record is None or not reading.biz or "chksm=" in record.url:
        return reading
    known = urls.get(f"{reading.biz}:{record.aid.replace('_', ':')}", "")
    if "chksm=" not in known:
        return reading
    return replace(reading, record=replace(record, url=_canonical(parse_address(known))))


def give_chksm(session: Session, addresses: Sequence[Address]) -> None:
    """Replace bare addresses of posts by those now seen with chksm; the posts are locked in order."""
    seen = {address.key: address for address in addresses if address.chksm and address.aid}
    bare = sorted(_bare(session, list(seen.values())))
    for start in range(0, len(bare), BATCH):
        batch = {post_id: key for _, _, post_id, key in bare[start : start + BATCH]}
        rows = select(Post.id).where(Post.id.in_(batch)).order_by(Post.account_id, Post.aid.collate("C"))
        for post_id in session.scalars(rows.with_for_update()).all():
            url = storable(_canonical(seen[batch[post_id]]))
            still = Post.id == post_id, ~Post.url.contains("chksm=")
            session.execute(update(Post).where(*still).values(url=url))


def _bare(session: Session, addresses: Sequence[Address]) -> list[tuple[int, str, int, str]]:
    """Account, aid, id and key of the posts of these addresses whose own lacks chksm."""
    found: list[tuple[int, str, int, str]] = []
    for start in range(0, len(addresses), BATCH):
        batch = addresses[start : start + BATCH]
        rows = select(Post.account_id, Post.aid, Post.id, _KEY).join(Account, Account.id == Post.account_id)
        rows = rows.where(Post.aid.in_([one.aid for one in batch]), _KEY.in_([one.key for one in batch]))
        for account_id, aid, post_id, key in session.execute(rows.where(~Post.url.contains("chksm="))):
            found.append((account_id, aid, post_id, key))
    return found


def _canonical(address: Address) -> str:
    return canonical_url(address.biz, address.mid, address.idx, address.sn, address.chksm)
