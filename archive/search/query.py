"""What people type into the search box, as the words a post must and must not contain; pure."""

import re
from dataclasses import dataclass

from archive.domain.errors import ArchiveError
from archive.domain.pg_text import storable
from archive.domain.search_text import fold

MAX_LENGTH = 1000  # characters; longer is a text, not a question

MAX_WORDS = 20  # each costs a look into every candidate

_WORD = re.compile(r'(-?)(?:"([^"]*)(?:"|$)|“([^”]*)(?:”|$)|(\S+))')

_WHITE = re.compile(r"\s+")


class SearchError(ArchiveError):
    """A question that cannot be answered."""


@dataclass(frozen=True, slots=True)
class Query:
    """Words and phrases, folded as the posts are: all of `words`, none of `excluded`."""

    words: tuple[str, ...]
    excluded: tuple[str, ...] = ()


def parse(words: str) -> Query:
    """Read a question: words, "phrases" and “phrases”, each with a - before it to exclude it.

    Any text is read; raises SearchError where it asks for nothing, or for too much.
    """
    if len(words) > MAX_LENGTH:
        raise SearchError(f"the search has {len(words)} characters; give at most {MAX_LENGTH}")
    wanted: dict[str, None] = {}
    excluded: dict[str, None] = {}
    for minus, *forms in _WORD.findall(storable(words)):
        word = fold(_WHITE.sub(" ", "".join(forms)))
        if word:
            (excluded if minus else wanted)[word] = None
    return _checked(Query(tuple(wanted), tuple(excluded)))


def _checked(query: Query) -> Query:
    if len(query.words) + len(query.excluded) > MAX_WORDS:
        raise SearchError(
            f"the search has more than {MAX_WORDS} words; give fewer, or put a phrase in quotes"
        )
    if not query.words and query.excluded:
        raise SearchError("the search only excludes; give also a word that the posts must contain")
    if not query.words:
        raise SearchError("the search is empty; give a word that the posts must contain")
    return query
