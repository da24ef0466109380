"""Store what the reader notes of posts, and saved searches: apart from the evidence, in no hash chain."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from archive.db.models import Account, Post, ReaderNote, SavedSearch
from archive.db.models.base import ANY_OF_IDS
from archive.domain.errors import ArchiveError, NotArchived
from archive.domain.text import storable

MAX_TAGS, MAX_TAG = 20, 50  # of a post; characters of each

MAX_NOTE = 5_000  # characters: two pages; a form of so many Chinese characters has 45 kB

MAX_SEARCHES, MAX_SEARCH_NAME = 200, 100  # saved; characters

_BETWEEN_TAGS = re.compile(r"[\s,，、;；#]+")


class NoteError(ArchiveError):
    """A note, tag or name that is too long, or one too many."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the reader noted of a post; `changed_at` is UTC."""

    is_starred: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    changed_at: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is noted."""
        return not (self.is_starred or self.tags or self.note)


@dataclass(frozen=True, slots=True)
class NotedPost:
    """A post with what the reader noted of it; `published_on` is a date in Asia/Shanghai."""

    biz: str
    aid: str
    account: str
    title: str
    url: str
    published_on: date
    note: Note


def clean_tag(text: str) -> str:
    """Return a tag as it is stored and compared: in half-width characters and small letters."""
    return unicodedata.normalize("NFKC", storable(text)).strip().lower()


def read_tags(text: str) -> tuple[str, ...]:
    """Return the tags of a text, sorted; blanks, commas and # separate them. Raises NoteError."""
    tags = sorted({tag for part in _BETWEEN_TAGS.split(clean_tag(text)) if (tag := part.strip('"“”'))})
    if len(tags) > MAX_TAGS:
        raise NoteError("archive.note.too_many_tags", most=MAX_TAGS)
    if any(len(tag) > MAX_TAG for tag in tags):
        raise NoteError("archive.note.tag_too_long", most=MAX_TAG)
    return tuple(tags)


def put_note(session: Session, post_id: int, note: Note, now: datetime) -> None:
    """Replace what is noted of a post. Raises NoteError."""
    text = storable(note.note.replace("\r\n", "\n")).strip()
    if len(text) > MAX_NOTE:
        raise NoteError("archive.note.too_long", length=len(text), most=MAX_NOTE)
    values = {"is_starred": note.is_starred, "tags": list(note.tags), "note": text, "changed_at": now}
    row = postgresql.insert(ReaderNote).values(post_id=post_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["post_id"], set_=values))


def notes_of(session: Session, post_ids: Collection[int]) -> dict[int, Note]:
    """Return what is noted of these posts, by their ids; posts without anything are left out."""
    rows = session.scalars(_NOTES, {"ids": list(post_ids)})
    notes = {row.post_id: _note(row) for row in rows}
    return {post_id: note for post_id, note in notes.items() if not note.is_empty}


_NOTES = select(ReaderNote).where(ReaderNote.post_id == ANY_OF_IDS)


def _note(row: ReaderNote) -> Note:
    return Note(row.is_starred, tuple(row.tags), row.note, row.changed_at)


def noted_ids(tags: Sequence[str], *, is_starred: bool) -> Select[int]:
    """Select the ids of the posts that have all of these tags and, if `is_starred`, a star."""
    rows = select(ReaderNote.post_id)
    if tags:
        rows = rows.where(ReaderNote.tags.contains([clean_tag(tag) for tag in tags]))
    return rows.where(ReaderNote.is_starred) if is_starred else rows


def noted_posts(session: Session, limit: int | None = None) -> list[NotedPost]:
    """Return every post of which something is noted, or at most `limit`, the latest note first."""
    columns = (Post.aid, Post.account_name, Post.title, Post.url, Post.published_on, Account.biz)
    rows = select(ReaderNote, *columns)
    rows = rows.join(Post, Post.id == ReaderNote.post_id).join(Account, Account.id == Post.account_id)
    rows = rows.where(_IS_NOTED).order_by(ReaderNote.changed_at.desc(), ReaderNote.post_id).limit(limit)
    return [
        NotedPost(row.biz, row.aid, row.account_name, row.title, row.url, row.published_on, _note(row[0]))
        for row in session.execute(rows)
    ]


_IS_NOTED = ReaderNote.is_starred | (ReaderNote.note != "") | (func.cardinality(ReaderNote.tags) > 0)


def tag_counts(session: Session) -> list[tuple[str, int]]:
    """Return each tag with the number of its posts, the most frequent first."""
    tag = func.unnest(ReaderNote.tags).label("tag")
    rows = select(tag, func.count()).group_by(tag).order_by(func.count().desc(), tag)
    return [(name, count) for name, count in session.execute(rows)]


def count_starred(session: Session) -> int:
    """Count the posts that have a star."""
    return session.scalar(select(func.count()).select_from(ReaderNote).where(ReaderNote.is_starred)) or 0


def saved_searches(session: Session) -> Sequence[SavedSearch]:
    """Return the saved searches, by name."""
    return session.scalars(select(SavedSearch).order_by(SavedSearch.name)).all()


def save_search(session: Session, name: str, query: Mapping[str, str], now: datetime) -> None:
    """Save a search, in place of another of this name. Raises NoteError."""
    name = " ".join(storable(name).split())
    if not name or len(name) > MAX_SEARCH_NAME:
        raise NoteError("archive.note.search_name", most=MAX_SEARCH_NAME)
    others = select(func.count()).select_from(SavedSearch).where(SavedSearch.name != name)
    if (session.scalar(others) or 0) >= MAX_SEARCHES:
        raise NoteError("archive.note.too_many_searches", most=MAX_SEARCHES)
    values = {"query": {key: storable(value) for key, value in query.items()}, "saved_at": now}
    row = postgresql.insert(SavedSearch).values(name=name, **values)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))


def remove_search(session: Session, number: int) -> None:
    """Remove a saved search. Raises NotArchived."""
    found = session.scalar(delete(SavedSearch).where(SavedSearch.id == number).returning(SavedSearch.id))
    if found is None:
        raise NotArchived("archive.note.no_search")
