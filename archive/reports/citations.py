"""Cite a version of a post: GB/T 7714-2015, BibTeX, RIS and CSL-JSON, and the metadata of its page.

A citation names the original address and, where the address of this archive is known, that of the version in
it, when its page was captured and the SHA-256 of that capture.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row, Select, bindparam, func, literal, select
from sqlalchemy.orm import Session

from archive.db.models import Capture, Post, Version
from archive.domain.addresses import clean_web_url
from archive.domain.messages import Message
from archive.domain.outcomes import CitationFormat
from archive.domain.records import SHANGHAI
from archive.domain.text import has_visible_character, unescape
from archive.repository.versions import VERSION_AT, version_of
from archive.system.catalogues import Language


@dataclass(frozen=True, slots=True)
class Citation:
    """What a citation of a post says; every text is on one line.

    `seen_at` is when the page of the version was fetched (UTC); of a version that came from no page, when it
    was recorded. `sha256` (hexadecimal) is that of its capture. `archive_url` is empty where the address of
    this archive is not known.
    """

    biz: str
    aid: str
    title: str
    author: str
    published_on: date
    url: str
    archive_url: str
    version: int | None
    seen_at: datetime
    capture_id: int | None
    sha256: str | None

    @property
    def seen_on(self) -> date:
        """Return the day of `seen_at` in Asia/Shanghai."""
        return self.seen_at.astimezone(SHANGHAI).date()

    @property
    def key(self) -> str:
        """Return an identifier of letters, digits, - and _."""
        version = f"-v{self.version}" if self.version else ""
        return f"{re.sub('[^0-9A-Za-z]', '', self.biz)}-{self.aid}{version}"

    def note(self, language: Language) -> str:
        """Return which version this is, when it was captured, its hash and its address in the archive."""
        at = self.seen_at.astimezone(SHANGHAI).isoformat(timespec="seconds")
        code = "archive.citation.captured" if self.sha256 else "archive.citation.recorded"
        params = {"version": self.version or 1, "at": at, "sha256": self.sha256}
        return Message(code, params).text(language)


def citation_of(
    session: Session, post: Post, biz: str, *, version: int | None = None, origin: str = ""
) -> Citation:
    """Return the citation of a version of a post, of the current one without a number.

    `origin` is the address of this archive without a slash at its end, or empty. Raises NotArchived when
    there is no such version.
    """
    chosen = _version(session, post, version)
    title = _one_line(chosen.title)
    return Citation(
        biz=biz,
        aid=post.aid,
        title=title if has_visible_character(title) else post.aid,
        author=_one_line(post.account_name) or biz,
        published_on=post.published_on,
        url=_address(clean_web_url(post.url)),
        archive_url=_archive_url(origin, biz, post.aid, chosen.number),
        version=chosen.number,
        seen_at=chosen.seen_at,
        capture_id=chosen.capture_id,
        sha256=chosen.sha256.hex() if chosen.sha256 else None,
    )


def _version(session: Session, post: Post, number: int | None) -> Row[*tuple[Any, ...]]:
    """Return number, title, instant and capture of a version; without a number of the current state.

    A post of which only pages without a whole text are known has no version: then its own title and page.
    """
    rows = _version_rows(is_numbered=number is not None)
    values = {"post": post.id, "hash": post.content_hash, "number": number}
    if found := session.execute(rows, values).first():
        return found
    if number is not None:
        version_of(session, post, number)  # it says which there are
    seen_at = func.coalesce(Capture.fetched_at, Post.first_archived_at).label("seen_at")
    page = select(literal(None).label("number"), Post.title, seen_at, *_CAPTURE)
    page = page.outerjoin(Capture, Capture.id == Post.capture_id).where(Post.id == post.id)
    return session.execute(page).one()


_CAPTURE = Capture.id.label("capture_id"), Capture.sha256


@cache
def _version_rows(*, is_numbered: bool) -> Select[*tuple[Any, ...]]:
    rows = select(Version.number, Version.title, VERSION_AT.label("seen_at"), *_CAPTURE)
    rows = rows.outerjoin(Capture, Capture.id == Version.capture_id)
    rows = rows.where(Version.post_id == bindparam("post"))
    if is_numbered:
        rows = rows.where(Version.number == bindparam("number"))
    is_current = Version.content_hash == bindparam("hash")
    return rows.order_by(is_current.desc(), VERSION_AT.desc(), Version.number.desc()).limit(1)


def _archive_url(origin: str, biz: str, aid: str, version: int | None) -> str:
    if not origin:
        return ""
    tail = f"/versions/{version}" if version else ""
    return f"{origin}/posts/{quote(biz, safe='=')}/{aid}{tail}"


_UNSAFE = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]]")  # in an address; RFC 3986 has the others


def _address(url: str) -> str:
    """Return an address in which every character that an address may not hold is percent-encoded."""
    return _UNSAFE.sub(lambda match: quote(match[0], safe="", errors="replace"), url)


def _one_line(text: str) -> str:
    """Return a text on one line, with entities decoded, without control and formatting characters."""
    words = " ".join(unescape(text).split())
    return "".join(sign for sign in words if unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co"))


def format_citations(citations: Sequence[Citation], form: CitationFormat) -> str:
    """Return citations in a format, each ended by a line break; as CSL-JSON one array of all of them."""
    if form is CitationFormat.CSL_JSON:
        return json.dumps([csl_item(one) for one in citations], ensure_ascii=False, indent=2) + "\n"
    return "".join(_FORMATS[form](one) for one in citations)


def gbt7714(citation: Citation) -> str:
    """Return a citation by GB/T 7714-2015: date of publication in brackets, then date of access."""
    archived = f" {Message('archive.citation.archived', {'note': citation.note('zh')}).text('zh')}"
    address = f" {citation.archive_url}." if citation.archive_url else ""
    dates = f"({citation.published_on.isoformat()})[{citation.seen_on.isoformat()}]"
    return f"{citation.author}. {citation.title}[EB/OL]. {dates}. {citation.url}.{archived}{address}"


_BIBTEX = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",  # \{ would count as an opening brace
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "#$%&_"},
}

_BIBTEX_SPECIAL = re.compile("[" + re.escape("".join(_BIBTEX)) + "]")


def _bibtex_text(text: str) -> str:
    return _BIBTEX_SPECIAL.sub(lambda match: _BIBTEX[match[0]], text)


def bibtex(citation: Citation) -> str:
    """Return a citation as an entry of biblatex, which BibTeX reads as one of an unknown type, as @misc."""
    note = _bibtex_text(citation.note("en"))
    archived = f"{note}, \\url{{{citation.archive_url}}}" if citation.archive_url else note
    fields = {
        "author": f"{{{_bibtex_text(citation.author)}}}",  # an organisation, not a person's two names
        "title": f"{{{_bibtex_text(citation.title)}}}",
        "year": f"{citation.published_on:%Y}",
        "month": str(citation.published_on.month),
        "date": citation.published_on.isoformat(),  # after its parts: Zotero takes the last
        "url": citation.url,
        "urldate": citation.seen_on.isoformat(),
        "note": archived,
        "langid": "chinese",
    }
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@online{{{citation.key},\n{lines}}}\n"


def ris(citation: Citation) -> str:
    """Return a citation as a record of RIS, whose lines end with CR LF."""
    return "".join(f"{tag}  - {value}\r\n" for tag, value in _ris_lines(citation))


def _ris_lines(citation: Citation) -> Iterator[tuple[str, str]]:
    yield "TY", "ELEC"
    yield "ID", citation.key
    yield "AU", citation.author
    yield "TI", citation.title
    yield "PY", f"{citation.published_on:%Y}"
    yield "DA", f"{citation.published_on:%Y/%m/%d}"
    yield "Y2", f"{citation.seen_on:%Y/%m/%d}"
    yield "UR", citation.url
    if citation.archive_url:
        yield "L2", citation.archive_url
    yield "N1", citation.note("en")
    yield "LA", "zh-CN"
    yield "ER", ""


def csl_item(citation: Citation) -> dict[str, Any]:
    """Return a citation as an item of CSL-JSON."""
    item = {
        "id": citation.key,
        "type": "webpage",
        "title": citation.title,
        "author": [{"literal": citation.author}],
        "issued": {"date-parts": [_date_parts(citation.published_on)]},
        "accessed": {"date-parts": [_date_parts(citation.seen_on)]},
        "URL": citation.url,
        "language": "zh-CN",
        "note": citation.note("en"),
    }
    if citation.version:
        item["version"] = str(citation.version)
    if citation.archive_url:
        item |= {"archive": "mparchive", "archive_location": citation.archive_url}
    return item


def _date_parts(day: date) -> list[int]:
    return [day.year, day.month, day.day]


_FORMATS: dict[CitationFormat, Callable[[Citation], str]] = {
    CitationFormat.GBT7714: lambda citation: gbt7714(citation) + "\n",
    CitationFormat.BIBTEX: bibtex,
    CitationFormat.RIS: ris,
}


def meta_tags(citation: Citation) -> list[tuple[str, str]]:
    """Return name and content of the meta tags that reference managers and search engines read."""
    day = citation.published_on
    return [
        ("citation_title", citation.title),
        ("citation_author", citation.author),
        ("citation_publication_date", f"{day:%Y/%m/%d}"),
        ("citation_online_date", f"{day:%Y/%m/%d}"),
        ("citation_language", "zh-CN"),
        ("citation_public_url", citation.url),
        ("DC.title", citation.title),
        ("DC.creator", citation.author),
        ("DC.date", day.isoformat()),
        ("DC.identifier", citation.url),
        (
            "DC.type",
            "webpage",
        ),  # of the PRISM vocabulary; without it Zotero takes the post for a journal article
        ("DC.type", "Text"),
        ("DC.language", "zh-CN"),
        *([("DC.relation", citation.archive_url)] if citation.archive_url else []),
    ]


def json_ld(citation: Citation) -> str:
    """Return the citation as schema.org JSON-LD that may stand in a `script` element.

    The characters that could end the element or begin a comment are written as JSON escapes.
    """
    value: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Article",
        "headline": citation.title,
        "author": {"@type": "Organization", "name": citation.author},
        "datePublished": citation.published_on.isoformat(),
        "inLanguage": "zh-CN",
        "url": citation.url,
        "identifier": citation.aid,
    }
    if citation.version:
        value["version"] = citation.version
    if citation.archive_url:
        value["archivedAt"] = citation.archive_url
    if citation.sha256:
        at = citation.seen_at.isoformat(timespec="seconds")
        value["encoding"] = {"@type": "MediaObject", "sha256": citation.sha256, "uploadDate": at}
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text)
