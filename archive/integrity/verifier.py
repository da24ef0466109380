"""Verifying an archive: every check over all rows, resumable, and its chains against heads written down."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from archive.db.models import Chain, ChainEntry
from archive.integrity.check import Check, CheckContext, Finding, VerificationReport
from archive.integrity.checks import CHECKS, NAMES
from archive.integrity.process_pool import CheckPool
from archive.integrity.progress import archive_id, resumed
from archive.integrity.row_scan import count, next_rows, readable
from archive.repository.hash_chain import ChainHead, chain_heads

Step = Callable[[str, int, int], None]


def verify_archive(
    engine: Engine,
    means: CheckContext,
    *,
    only: Collection[str] = (),
    place: Path | None = None,
    step: Step = lambda check, done, total: None,
) -> VerificationReport:
    """Make the checks `only` names, or all; what they found is in the report.

    `place` is a file that keeps how far it came; it goes on from what is there. `step` is told the check, and
    how many of how many rows were looked at. Raises HandsLost, ProgressLost,
    MediaFolderError, DBAPIError.
    """
    names = tuple(name for name in NAMES if not only or name in only)
    checks = [check for check in CHECKS if check.name in names]
    with engine.connect() as connection:
        progress = resumed(archive_id(connection), names, place)
    counts = {check: count(engine, check) for check in checks}
    with CheckPool(engine, means) as hands:
        for check in checks:
            if progress.is_done(check):
                continue
            ranges = _ranges(engine, check, progress.after(check))
            for last, found in hands.look(check, ranges, counts[check]):
                progress.note(check, last, found)
                step(check.name, progress.rows(), sum(counts.values()))
            progress.finish(check)
    progress.forget()
    progress.report.heads = readable(engine, chain_heads, otherwise=list)
    return progress.report


def _ranges(engine: Engine, check: Check, after: int) -> Iterator[tuple[int, int]]:
    while (last := next_rows(engine, check, after)) is not None:
        yield after, last
        after = last


def against(session: Session, known: Sequence[ChainHead]) -> list[Finding]:
    """Where the archive's chains do not pass through heads that were written down earlier."""
    return [finding for head in known if (finding := _against(session, head))]


def _against(session: Session, head: ChainHead) -> Finding | None:
    chain = session.execute(select(Chain.id, Chain.length).where(Chain.biz == head.biz)).one_or_none()
    number, length = chain or (None, 0)
    at = select(ChainEntry.digest).where(ChainEntry.chain_id == number, ChainEntry.position == head.length)
    digest = session.scalar(at)
    if head.length == 0 or (digest is not None and digest.hex() == head.digest):
        return None
    named = head.biz or "(of no account)"
    if length < head.length:
        words = f"the chain of {named} has {length} entries, {head.length} when its head was written down:"
        return Finding("head", "chains", number, f"{words} this is an older state, or entries were removed")
    words = f"the chain of {named} does not pass through the head written down at entry {head.length}:"
    return Finding("head", "chains", number, f"{words} the archive was rewritten, or is another one")
