"""`mparchive cite`: print citations of posts for papers and reference managers."""

import re
import sys
from collections.abc import Sequence
from urllib.parse import unquote

from sqlalchemy.orm import Session

from archive.db.engine import open_archive, transaction
from archive.db.settings import ArchiveSettings
from archive.domain.errors import NotArchived
from archive.domain.messages import Message
from archive.domain.outcomes import CitationFormat
from archive.reports.citations import Citation, citation_of, format_citations
from archive.repository.accounts import biz_of
from archive.search.lookup import post_named
from mparchive.console import say
from mparchive.errors import CommandError, Exit

_IN_ARCHIVE = re.compile(
    r"(?:(?:.*/)?posts/)?([^/?]+)/([0-9]{1,18}_[0-9]{1,3})(?:/versions/([0-9]{1,9})|[/?#].*)?"
)  # an address of the web interface, or BIZ/AID


def cite(posts: Sequence[str], account: str | None, form: CitationFormat, version: int | None) -> Exit:
    """Print a citation of each post: of a version, or of the current one.

    A post is named as for `show`, or by BIZ/AID or an address of this archive. Raises CommandError where
    none of them can be cited, PublicUrlError for an address of the archive that is none.
    """
    origin = ArchiveSettings().origin()
    citations: list[Citation] = []
    failures: list[Message] = []
    with open_archive() as engine, transaction(engine) as session:
        for post in posts:
            try:
                citations.append(_citation(session, post, account, version, origin))
            except (CommandError, NotArchived) as error:
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
    match = _IN_ARCHIVE.fullmatch(given.strip())
    if match:
        post = post_named(session, match[2], unquote(match[1]))
        version = version or (int(match[3]) if match[3] else None)
    else:
        post = post_named(session, given, account)
    own_biz = biz_of(session, post)
    return citation_of(session, post, own_biz, version=version, origin=origin)
