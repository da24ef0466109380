"""Verify an archive: run the checks over all rows, resumably, and compare chains with saved heads."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from archive.db.models import Chain, ChainEntry
from archive.domain.messages import Message
from archive.integrity.check import Check, CheckContext, Finding, VerificationReport
from archive.integrity.checks import ALL_CHECKS, CHECK_NAMES
from archive.integrity.process_pool import CheckPool
from archive.integrity.progress import archive_id, load_progress
from archive.integrity.row_scan import count_rows, last_id_of_batch, read_or_else
from archive.repository.hash_chain import ChainHead, chain_heads

OnProgress = Callable[[str, int, int], None]


def verify_archive(
    engine: Engine,
    context: CheckContext,
    *,
    only: Collection[str] = (),
    progress_file: Path | None = None,
    on_progress: OnProgress = lambda check, done, total: None,
) -> VerificationReport:
    """Run the checks with the names in `only`, or all, and return what they found.

    The progress is saved in `progress_file`, and a verification that was stopped resumes from there.
    `on_progress` receives the name of the check, the rows checked and the rows in all. Raises
    CheckProcessKilled, ProgressNotSaved, MediaFolderError, DBAPIError.
    """
    names = tuple(name for name in CHECK_NAMES if not only or name in only)
    checks = [check for check in ALL_CHECKS if check.name in names]
    with engine.connect() as connection:
        progress = load_progress(archive_id(connection), names, progress_file)
    counts = {check: count_rows(engine, check) for check in checks}
    with CheckPool(engine, context) as pool:
        for check in checks:
            if progress.is_finished(check):
                continue
            ranges = _ranges(engine, check, progress.last_id(check))
            for last, result in pool.run(check, ranges, counts[check]):
                progress.add(check, last, result)
                on_progress(check.name, progress.report.checked.total(), sum(counts.values()))
            progress.finish(check)
    progress.remove_file()
    progress.report.heads = read_or_else(engine, chain_heads, list)
    return progress.report


def _ranges(engine: Engine, check: Check, after: int) -> Iterator[tuple[int, int]]:
    while (last := last_id_of_batch(engine, check, after)) is not None:
        yield after, last
        after = last


def compare_with_heads(session: Session, saved: Sequence[ChainHead]) -> list[Finding]:
    """Return a finding for each head saved earlier that its chain does not pass through."""
    return [finding for head in saved if (finding := _compare_with_head(session, head))]


def _compare_with_head(session: Session, head: ChainHead) -> Finding | None:
    chain = session.execute(select(Chain.id, Chain.length).where(Chain.biz == head.biz)).one_or_none()
    chain_id, length = chain or (None, 0)
    entry = select(ChainEntry.digest).where(
        ChainEntry.chain_id == chain_id, ChainEntry.position == head.length
    )
    digest = session.scalar(entry)
    if head.length == 0 or (digest is not None and digest.hex() == head.digest):
        return None
    chain_name = Message("archive.integrity.chain_of", {"biz": head.biz})
    if not head.biz:
        chain_name = Message("archive.integrity.chain_of_no_account")
    if length < head.length:
        params = {"chain": chain_name, "entries": length, "expected": head.length}
        message = Message("archive.integrity.chain_shorter_than_head", params)
    else:
        params = {"chain": chain_name, "position": head.length}
        message = Message("archive.integrity.chain_avoids_head", params)
    return Finding("head", "chains", chain_id, message)
