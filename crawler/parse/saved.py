"""Read what tools leave in a page that they save: the address it came from, and end tags they leave out."""

import re

from archive.domain import entities

_HEAD = 4096  # bytes in which a tool writes where the page came from

_SOURCES = (
    re.compile(rb"<!-- saved from url=\(\d{1,5}\)(https?://[^\s<>]{1,2000}) -->"),  # browsers
    re.compile(rb"Page saved with SingleFile\s{1,9}url:\s{0,9}(https?://[^\s<>]{1,2000})"),
    re.compile(rb"""data-(?:scrapbook-source|sourceurl)=["']?(https?://[^\s"'<>]{1,2000})"""),  # WebScrapBook
)

_SINGLE_FILE = b"Page saved with SingleFile"

_PARAGRAPH = re.compile(r"<p(?:\s[^<>]*+)?>", re.IGNORECASE)

_PARAGRAPH_END = re.compile(r"</p\s*+>", re.IGNORECASE)


def saved_from(served: bytes) -> str | None:
    """Return the address that a page was saved from; None where no tool wrote one."""
    head = served[:_HEAD]
    match = next((found for source in _SOURCES if (found := source.search(head))), None)
    return entities.unescape(match[1].decode("utf-8", "replace")) if match else None


def is_whole_without_end(served: bytes, body: str | None) -> bool:
    """Tell whether a page without `</html>` is whole: SingleFile leaves end tags out to save space.

    The body must be closed, and so must its paragraphs, for the text depends on their end tags.
    """
    if body is None or _SINGLE_FILE not in served[:_HEAD]:
        return False
    return len(_PARAGRAPH.findall(body)) == len(_PARAGRAPH_END.findall(body))
