"""Parse a search query into the words that a post must and must not contain."""

import re
from dataclasses import dataclass

from archive.domain.errors import ArchiveError
from archive.domain.search_text import fold
from archive.domain.text import storable

MAX_LENGTH = 1000  # characters; longer is a text, not a query

MAX_QUERY_WORDS = 20  # each is searched for in every candidate

_WORD = re.compile(r'(-?)(?:"([^"]*)(?:"|$)|“([^”]*)(?:”|$)|(\S+))')

_WHITE = re.compile(r"\s+")


class SearchError(ArchiveError):
    """A search that cannot be run."""


@dataclass(frozen=True, slots=True)
class Query:
    """Words and phrases in the folded form of the index: all of `words`, none of `excluded`."""

    words: tuple[str, ...]
    excluded: tuple[str, ...] = ()


def parse(words: str) -> Query:
    """Parse a query: words, "phrases" and “phrases”, each with a - before it to exclude it.

    Raises SearchError when it asks for nothing or for too much; any other text is a query.
    """
    if len(words) > MAX_LENGTH:
        raise SearchError("archive.search.too_long", length=len(words), limit=MAX_LENGTH)
    wanted: dict[str, None] = {}
    excluded: dict[str, None] = {}
    for minus, *forms in _WORD.findall(storable(words)):
        word = fold(_WHITE.sub(" ", "".join(forms)))
        if word:
            (excluded if minus else wanted)[word] = None
    return _checked(Query(tuple(wanted), tuple(excluded)))


def _checked(query: Query) -> Query:
    if len(query.words) + len(query.excluded) > MAX_QUERY_WORDS:
        raise SearchError("archive.search.too_many_words", limit=MAX_QUERY_WORDS)
    if not query.words and query.excluded:
        raise SearchError("archive.search.only_excludes")
    if not query.words:
        raise SearchError("archive.search.empty")
    return query


_NOTE_TERM = re.compile(r'(?<!\S)(?:tag:(?:"([^"]+)"|“([^”]+)”|([^\s"“]+))|(is:starred))(?!\S)')


def split_note_terms(words: str) -> tuple[str, tuple[str, ...], bool]:
    """Return a query without its terms about notes, the tags that it asks for, and whether for a star.

    These terms are `tag:NAME`, as often as wanted, and `is:starred`; in quotation marks they are words.
    """
    terms = _NOTE_TERM.findall(words)
    tags = tuple("".join(forms) for *forms, star in terms if not star)
    return _NOTE_TERM.sub("", words).strip(), tags, any(star for *_, star in terms)
