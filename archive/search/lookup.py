"""Find the posts that a person names by an address of any form, a short link, an aid, or a title.

The address of a page of this archive counts as well, and so do a part of a title and a title that a post had
before it was edited.
"""

import re
import shlex
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from archive.db.models import Account, Address, Capture, Post, Version
from archive.domain.address_text import in_text
from archive.domain.addresses import HOST, parse_address
from archive.domain.errors import NotArchived
from archive.domain.messages import Message
from archive.domain.search_text import text_as_shown
from archive.domain.text import storable
from archive.repository.accounts import belongs_to
from archive.repository.address_keys import has_key
from archive.repository.post_queries import EVERY_POST, NEWEST_FIRST, PostFilter, filtered_posts, marks_of
from archive.search.engine import Hit, Order, SearchPage, matching_ids, search
from archive.search.facets import MAX_COUNTED_HITS, Facets, count_facets
from archive.search.query import Query, SearchError, parse, split_note_terms

MAX_POST_NAME = (
    8192  # characters that are examined; the longest address with another one in it has half of that
)

MAX_NAMED_POSTS = 20  # listed where a name fits several posts; more have to be told apart by more words

Filter = TypeVar("Filter", bound=PostFilter)

_EXCERPT = 80  # characters of the text beside a post that was found by its name

_AID = re.compile(r"([0-9]{1,18})\s*[_:,/-]\s*([0-9]{1,3})")

_AID_WITHIN = re.compile(r"(?<![0-9])([0-9]{6,18})_([0-9]{1,3})(?![0-9])")  # a listed line, a file name

_KEY = re.compile(r"([A-Za-z0-9+/=_-]{1,64}):([0-9]{1,18}):([0-9]{1,3})")  # an address key, as in reports

_OWN_PAGE = re.compile(r"/posts/([A-Za-z0-9+/=_-]{1,64})/([0-9]{1,18}_[0-9]{1,3})(?![0-9])")

_TOKEN = re.compile(r"[A-Za-z0-9_~-]{22}")  # of a short link, 16 bytes in base64

_PATH = re.compile(r"/?(?:s(?:/|\?)|mp/)\S+|\??__biz=\S+")  # an address without its host

_NUMBER = re.compile(r"(?<![A-Za-z_])(?:mid|appmsgid)=([0-9]{1,18})")

_PLACE = re.compile(r"(?<![A-Za-z_])(?:idx|itemidx)=([0-9]{1,3})")

_AROUND = " \t\r\n\"'`“”‘’「」『』《》〈〉【】<>[]()（）,，.。;；!！?？:：、"

_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"  # in any locale of the database

_COMPARED_FIRST, _LETTERS = re.compile("[\u4e00-\u9fff]"), re.compile("[a-z0-9]")

_FIRST = 8  # characters of a title

_FULL_WIDTH = 0xFEE0  # from an ASCII character to its full-width form

_GAPS = "[\\s\u200b\ufeff]+"  # between the words of a title; people copy more or fewer of them


class NameForm(StrEnum):
    """What a name turned out to be."""

    ADDRESS = "address"
    AID = "aid"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class NamedPosts:
    """The posts of a name with the biz of each, newest first, at most MAX_NAMED_POSTS; `total` counts all.

    `form` is what the name was taken for; `address` the first address in it, empty where there is none.
    """

    form: NameForm
    posts: Sequence[tuple[Post, str]]
    total: int
    address: str = ""

    @property
    def hits(self) -> list[Hit]:
        """Return the posts as hits of a search, each with the beginning of its text."""
        return [
            Hit(
                post_id=post.id,
                aid=post.aid,
                biz=biz,
                account=post.account_name,
                title=post.title,
                published_on=post.published_on,
                kind=post.kind,
                excerpt=[(text_as_shown(post.text)[:_EXCERPT], False)],
            )
            for post, biz in self.posts
        ]


def posts_named(session: Session, name: str, account: str | None = None) -> NamedPosts:
    """Return the posts that a name fits: by address or aid, else by title, else by a part of a title.

    `account` (name or biz) restricts them. None of them may be left: `form` then says what was looked for.
    """
    found = posts_with_identifier(session, name, account)
    if found.posts or found.form is NameForm.ADDRESS:
        return found
    cleaned = _cleaned(name)
    other = _by_number(session, cleaned, account) or _by_title(session, cleaned, account)
    return other if other.posts else found


def posts_with_identifier(session: Session, name: str, account: str | None = None) -> NamedPosts:
    """Return the posts that a name fits as an address, short link or aid; `form` is TITLE for other names."""
    cleaned = _cleaned(name)
    identities = _identities_written(cleaned)
    addresses = [parse_address(url) for url in in_text(_with_host(cleaned))]
    tokens = [address.token for address in addresses if address.token]
    identities += [(address.biz, address.aid) for address in addresses if address.aid]
    is_token = _TOKEN.fullmatch(cleaned.strip(_AROUND))
    if is_token and not identities:
        tokens.append(is_token[0].replace("~", "_"))
    form = NameForm.ADDRESS if addresses else NameForm.AID if identities else NameForm.TITLE
    for token in tokens:
        identities += _identities_of_token(session, token)
    wanted = [_has_identity(biz, aid) for biz, aid in identities]
    url = next((address.fetch_url for address in addresses), "")
    if not wanted:
        return NamedPosts(form, (), 0, url)
    return replace(_selected(session, form, or_(*wanted), account), address=url)


def find_hits(  # noqa: PLR0913 - the last three by name
    session: Session,
    words: str,
    chosen: PostFilter = EVERY_POST,
    *,
    order: Order = "date",
    limit: int = 20,
    after: str | None = None,
) -> SearchPage:
    """Search the posts as `search` does; an address, short link or aid returns its post.

    Without words it returns all posts that the filter selects.
    Where no post contains the words, those return it whose title they are. Raises SearchError.
    """
    words, chosen = split_notes(words, chosen)
    named = posts_with_identifier(session, words, chosen.account)
    if after or not named.posts:
        query = _query(words) if words.strip() else Query(())
        found = SearchPage([], None)
        if isinstance(query, Query):
            found = search(session, query, chosen, order=order, limit=limit, after=after)
        if found.hits or after or not words.strip():
            return found
        named = posts_named(session, words, chosen.account)
        if isinstance(query, SearchError) and not named.posts:
            raise query
    marks = marks_of(session, [post.id for post, _ in named.posts]) if chosen.mark else {}
    hits = [
        hit
        for hit in named.hits
        if chosen.kind in (None, hit.kind)
        and (chosen.mark is None or chosen.mark in marks.get(hit.post_id, ()))
        and (chosen.since is None or hit.published_on >= chosen.since)
        and (chosen.until is None or hit.published_on <= chosen.until)
    ]
    return SearchPage(hits[:limit], None)


def facets_of_hits(
    session: Session, words: str, chosen: PostFilter = EVERY_POST, most: int = MAX_COUNTED_HITS
) -> Facets | None:
    """Count what `find_hits` finds by its words, as `count_facets` does.

    None is where it finds posts by a name of theirs instead.
    """
    words, chosen = split_notes(words, chosen)
    query = _query(words) if words.strip() else Query(())
    if isinstance(query, SearchError) or posts_with_identifier(session, words, chosen.account).posts:
        return None
    facets = count_facets(session, query, chosen, most)
    return facets if facets.total else None


def with_query(session: Session, words: str, chosen: Filter) -> Filter:
    """Restrict a filter to every post that `find_hits` would find for these words. Raises SearchError."""
    words, chosen = split_notes(words, chosen)
    if not words.strip():
        return chosen
    named = posts_with_identifier(session, words, chosen.account)
    if not named.posts:
        query = _query(words)
        if isinstance(query, Query):
            matching = replace(chosen, query=words, ids=matching_ids(query))
            if session.scalar(filtered_posts(select(Post.id), matching).limit(1)) is not None:
                return matching
        named = posts_named(session, words, chosen.account)
        if isinstance(query, SearchError) and not named.posts:
            raise query
    ids = [post.id for post, _ in named.posts]
    return replace(chosen, query=words, ids=select(Post.id).where(Post.id.in_(ids)))


def split_notes(words: str, chosen: Filter) -> tuple[str, Filter]:
    """Take what words ask about notes (`tag:NAME`, `is:starred`) into the filter."""
    rest, tags, is_starred = split_note_terms(words)
    if not (tags or is_starred):
        return words, chosen
    return rest, replace(chosen, tags=(*chosen.tags, *tags), is_starred=chosen.is_starred or is_starred)


def _query(words: str) -> Query | SearchError:
    try:
        return parse(words)
    except SearchError as error:
        return error


def _cleaned(name: str) -> str:
    """Return a name as it can be compared and stored, in half-width characters, without what is around it."""
    return unicodedata.normalize("NFKC", storable(name[:MAX_POST_NAME])).strip()


def _with_host(name: str) -> str:
    path = _PATH.fullmatch(name.strip(_AROUND.replace("?", "")))
    if not path:
        return name
    place = path[0].lstrip("/?")
    return f"https://{HOST}/{f's?{place}' if place.startswith('__biz=') else place}"


def _identities_written(name: str) -> list[tuple[str, str]]:
    """Return biz, where it is there, and aid as the archive itself writes them, or bare parameters."""
    if page := _OWN_PAGE.search(name.replace("%3D", "=").replace("%3d", "=")):
        return [(page[1], page[2])]
    bare = name.strip(_AROUND)
    if key := _KEY.fullmatch(bare):
        return [(key[1], f"{int(key[2])}_{int(key[3])}")]
    if aid := _AID.fullmatch(bare):
        return [("", f"{int(aid[1])}_{int(aid[2])}")]
    number, place = _NUMBER.search(name), _PLACE.search(name)
    if number and place and "__biz=" not in name:
        return [("", f"{number[1]}_{place[1]}")]
    return [("", aid[0]) for aid in _AID_WITHIN.finditer(name)]


def _identities_of_token(session: Session, token: str) -> list[tuple[str, str]]:
    """Return biz and aid of the posts of a short link: by its address, else by pages that name it."""
    key, path = f"s/{token}", f"/s/{token}"
    rows = select(Account.biz, Address.aid).join(Account, Account.id == Address.account_id)
    found = session.execute(rows.where(has_key([key]), Address.aid.is_not(None))).all()
    if not found:
        named = Post.page_metadata["link"].astext.contains(path, autoescape=True)
        served = Capture.requested_url.contains(path, autoescape=True)
        served |= Capture.final_url.contains(path, autoescape=True)
        pages = select(Capture.id).where(served)
        rows = select(Account.biz, Post.aid).join(Account, Account.id == Post.account_id)
        found = session.execute(rows.where(named | Post.capture_id.in_(pages))).all()
    return [(biz, aid or "") for biz, aid in found]


def _has_identity(biz: str, aid: str) -> ColumnElement[bool]:
    if not biz:
        return Post.aid == aid
    return (Post.aid == aid) & (func.rtrim(Account.biz, "=") == biz.rstrip("="))  # people lose the padding


def _by_number(session: Session, name: str, account: str | None) -> NamedPosts | None:
    """Return the posts of a push by its number, or by an aid whose underscore a program has removed."""
    digits = name.strip(_AROUND)
    if not re.fullmatch(r"[0-9]{6,18}", digits):
        return None
    is_named = (Post.mid == int(digits)) | (func.replace(Post.aid, "_", "") == digits)
    found = _selected(session, NameForm.AID, is_named, account)
    return found if found.posts else None


def _by_title(session: Session, name: str, account: str | None) -> NamedPosts:
    """Return the posts with this title, else those with it in their titles, now or before an edit."""
    wanted = list(dict.fromkeys(filter(None, map(_comparable, (name, name.strip(_AROUND))))))
    if not wanted:
        return NamedPosts(NameForm.TITLE, (), 0)
    for fits in (_has_title(Post.title, wanted), Post.id.in_(_versions_with_title(wanted))):
        equal = _comparable_column(Post.title).in_(wanted)
        found = _selected(session, NameForm.TITLE, fits, account, first=equal)
        same = [one for one in found.posts if _comparable(_cleaned(one[0].title)) in wanted]
        if found.posts:
            others_left = len(same) < len(found.posts)
            return NamedPosts(NameForm.TITLE, same, len(same)) if same and others_left else found
    return NamedPosts(NameForm.TITLE, (), 0)


def _versions_with_title(wanted: Sequence[str]) -> Select[int]:
    return select(Version.post_id).where(_has_title(Version.title, wanted))


def _has_title(title: InstrumentedAttribute[str], wanted: Sequence[str]) -> ColumnElement[bool]:
    """Select titles that contain one of these; comparing single characters first saves most of the time."""
    stored = _comparable_column(title)
    characters = _COMPARED_FIRST.findall(wanted[-1]) or _LETTERS.findall(wanted[-1])
    first = [or_(*(func.strpos(title, form) > 0 for form in _forms(one))) for one in characters[:_FIRST]]
    return and_(*first, or_(*(func.strpos(stored, one) > 0 for one in wanted)))


def _forms(character: str) -> set[str]:
    """Return a character as a title may have it: in small or capital letters, of half or full width."""
    forms = {character, character.upper()}
    return forms | {chr(ord(one) + _FULL_WIDTH) for one in forms if one.isascii()}


def _comparable(title: str) -> str:
    return re.sub(_GAPS, "", title).translate(str.maketrans(_UPPER, _LOWER))


def _comparable_column(title: InstrumentedAttribute[str]) -> ColumnElement[Any]:
    """Return a column of titles as `_comparable` makes one of a name."""
    normal = func.normalize(title, literal_column("NFKC"))
    return func.translate(func.regexp_replace(normal, _GAPS, "", "g"), _UPPER, _LOWER)


def _selected(
    session: Session,
    form: NameForm,
    condition: ColumnElement[bool],
    account: str | None,
    first: ColumnElement[bool] | None = None,
) -> NamedPosts:
    """Return the posts of a condition, newest first; those for which `first` is true before all others."""
    rows: Select[Post, str] = select(Post, Account.biz).join(Account, Account.id == Post.account_id)
    rows = rows.where(condition).options(defer(Post.html))
    if account is not None:
        rows = rows.where(belongs_to(storable(account)))
    found = [
        (post, biz) for post, biz in session.execute(rows.order_by(*NEWEST_FIRST).limit(MAX_NAMED_POSTS))
    ]
    total = len(found)
    if total == MAX_NAMED_POSTS:
        counted = rows.with_only_columns(Post.id).subquery()
        total = session.scalar(select(func.count()).select_from(counted)) or total
    return NamedPosts(form, found, total)


def post_named(session: Session, name: str, account: str | None = None) -> Post:
    """Return the one post that a name fits. Raises NotArchived, with the posts where it fits several."""
    if not name.strip():
        raise NotArchived("archive.lookup.empty")
    found = posts_named(session, name, account)
    if len(found.posts) == 1:
        return found.posts[0][0]
    shown = name.strip()[:_EXCERPT]
    if found.posts:
        params = {"name": shown, "n": found.total, "posts": _listed(found)}
        raise NotArchived("archive.lookup.several", **params)
    others = posts_named(session, name) if account is not None else found
    if others.posts:
        params = {"name": shown, "account": account, "posts": _listed(others)}
        raise NotArchived("archive.lookup.other_account", **params)
    message = missing_message(session, found, name)
    raise NotArchived(message.code, **message.params)


def _listed(found: NamedPosts) -> str:
    """Return a line for each post, and dots where there are more."""
    lines = [
        f"  {post.aid}  {post.published_on}  {post.account_name} ({biz})  {' '.join(post.title.split())}"
        for post, biz in found.posts
    ]
    return "\n".join([*lines, *(["  …"] if found.total > len(lines) else [])])


def missing_message(session: Session, found: NamedPosts, name: str) -> Message:
    """Return why there is no post of this name, and the way on; `found` is what `posts_named` returned."""
    shown = name.strip()[:_EXCERPT]
    if found.form is NameForm.AID:
        return Message("archive.lookup.no_aid", {"aid": shown})
    if found.form is NameForm.TITLE:
        return Message("archive.lookup.no_title", {"name": shown, "quoted": shlex.quote(name.strip())})
    params: dict[str, Any] = {"address": found.address, "quoted": shlex.quote(found.address)}
    key = parse_address(found.address).key
    outcome = session.scalar(select(Address.last_outcome).where(has_key([key])))
    if outcome is None:
        return Message("archive.lookup.no_address", params)
    params["outcome"] = Message(f"archive.outcome.{outcome}")
    return Message("archive.lookup.without_post", params)
