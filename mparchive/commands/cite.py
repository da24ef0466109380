"""`mparchive cite`: print citations of posts for papers and reference managers."""

import re
import sys
from collections.abc import Sequence
from urllib.parse import unquote

from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.models import Account
from archive.db.settings import ArchiveSettings
from archive.domain.addresses import parse_address
from archive.domain.errors import AddressError, NotArchived
from archive.domain.messages import Message
from archive.domain.outcomes import CitationFormat
from archive.reports.citations import Citation, citation_of, format_citations
from archive.repository.posts import archived_posts
from mparchive.commands.show import find_post
from mparchive.console import say
from mparchive.errors import CommandError, Exit

_AID = re.compile(r"[0-9]{1,18}_[0-9]{1,3}")
_IN_ARCHIVE = re.compile(
    rf"(?:(?:.*/)?posts/)?([^/?]+)/({_AID.pattern})(?:/versions/([0-9]{{1,9}})|[/?#].*)?"
)


def cite(posts: Sequence[str], account: str | None, form: CitationFormat, version: int | None) -> Exit:
    """Print a citation of each post: of a version, or of the current one.

    A post is an aid, BIZ/AID, or an address on mp.weixin.qq.com or of this archive. Raises CommandError where
    none of them can be cited, PublicUrlError for an address of the archive that is none.
    """
    origin = ArchiveSettings().origin()
    citations: list[Citation] = []
    failures: list[Message] = []
    with open_archive() as engine, transaction(engine) as session:
        for post in posts:
            try:
                citations.append(_citation(session, post, account, version, origin))
            except (CommandError, AddressError, NotArchived) as error:
                failures.append(error.message)
    if not citations:
        for failure in failures[:-1]:
            say(failure)
        raise CommandError(failures[-1])
    sys.stdout.buffer.write(format_citations(citations, form).encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
    for failure in failures:
        say(failure)
    return Exit.PARTLY_FAILED if failures else Exit.DONE


def _citation(
    session: Session, given: str, account: str | None, version: int | None, origin: str
) -> Citation:
    biz, aid, named = _identity(session, given.strip())
    post = find_post(session, aid, biz or account)
    own_biz = session.get_one(Account, post.account_id).biz
    return citation_of(session, post, own_biz, version=version or named, origin=origin)


def _identity(session: Session, given: str) -> tuple[str | None, str, int | None]:
    """Return the biz, the aid and the version that an argument names; the first and the last may be None."""
    if _AID.fullmatch(given):
        return None, given, None
    if match := _IN_ARCHIVE.fullmatch(given):
        return unquote(match[1]), match[2], int(match[3]) if match[3] else None
    address = parse_address(given)
    if address.mid:
        return address.biz, f"{address.mid}_{address.idx}", None
    found = archived_posts(session, [address.key])
    if address.key not in found:
        raise NotArchived("mparchive.show.no_such_post", aid=given)
    return *found[address.key], None
