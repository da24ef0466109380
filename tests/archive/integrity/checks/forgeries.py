"""Forgeries of a small archive: several changes that fit each other, and whole chains written again."""

from collections.abc import Iterator
from itertools import pairwise

from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session

from archive.db.models import ChainEntry, Head
from archive.repository.evidence import RULES, facts_of
from archive.repository.hash_chain import (
    START,
    capture_contents,
    entry_digest,
    fact_name,
    removal_contents,
    version_contents,
)
from archive.repository.heads import chains_at, heads_digest
from tests.archive.integrity.checks.mutations import BENEATH, Mutation, exchange, ids, names_of

_HASH = (
    "'1:' || encode(sha256(int8send(octet_length({0})::bigint) || convert_to({0}, 'UTF8')"
    " || int8send(octet_length({1})::bigint) || convert_to({1}, 'UTF8')), 'hex')"
)


def forged(connection: Connection) -> Iterator[Mutation]:
    """Yield what somebody does who wants a reader to believe something else."""
    for family in (_texts, _take_downs, _inventions, _addresses, _media, _accounts, _entries):
        yield from family(connection)


def _of(connection: Connection, query: str) -> int:
    found = connection.exec_driver_sql(query).scalar()
    assert isinstance(found, int), query
    return found


def _texts(connection: Connection) -> Iterator[Mutation]:
    """Change texts with matching hashes, in a version, in a post, and in both."""
    new = "title || '改'", "text || '改'"
    text = f"title = {new[0]}, text = {new[1]}, content_hash = {_HASH.format(*new)}"
    for id_ in ids(connection, "versions", most=8):
        version = f"UPDATE versions SET {text} WHERE id = {id_}"
        yield Mutation((version,), (f"versions {id_}",))
        post_id = _of(connection, f"SELECT post_id FROM versions WHERE id = {id_}")
        shown = f"title = {new[0]}, content_hash = (SELECT content_hash FROM versions WHERE id = {id_})"
        post = f"UPDATE posts SET {shown} WHERE id = {post_id}"
        yield Mutation((post,), (f"posts {post_id}",))
        yield Mutation((version, post), (f"versions {id_}", f"posts {post_id}"))
    for id_ in ids(connection, "posts", "html IS NOT NULL", 8):
        yield Mutation((f"UPDATE posts SET html = html || '<p>改</p>' WHERE id = {id_}",), (f"posts {id_}",))
        earlier = "first_archived_at = first_archived_at - interval '1 year'"
        yield Mutation((f"UPDATE posts SET {earlier} WHERE id = {id_}",), (f"posts {id_}",))


def _take_downs(connection: Connection) -> Iterator[Mutation]:
    """Erase take-downs and invent them, with the results of parsing that they follow from."""
    for id_ in ids(connection, "absences", most=5):
        capture = _of(connection, f"SELECT capture_id FROM absences WHERE id = {id_}")
        names = (f"captures {capture}", *names_of(connection, "absences", id_))
        erased, of_it = f"DELETE FROM absences WHERE id = {id_}", f"WHERE capture_id = {capture}"
        back = "parser_version = parser_version - 1"
        yield Mutation((erased,), names)
        for outcome in ("article", "unknown", "verification"):
            parsed = f"UPDATE parse_results SET outcome = '{outcome}', {back} {of_it}"
            yield Mutation((erased, parsed), names)
        yield Mutation((f"UPDATE parse_results SET {back} {of_it}",), names)
        returned = "returned_at = last_missing_at + interval '1 hour', returned_capture_id = capture_id"
        yield Mutation((f"UPDATE absences SET {returned} WHERE id = {id_}",), names)
    for id_ in ids(connection, "parse_results", "outcome = 'article'", 6):
        names = names_of(connection, "parse_results", id_)
        for change in (
            "outcome = 'deleted', reason = '该内容已被发布者删除'",
            "parser_version = parser_version - 1",
            "outcome = 'private', parser_version = parser_version - 1",
            "outcome = 'verification', parser_version = parser_version - 1",
        ):
            yield Mutation((f"UPDATE parse_results SET {change} WHERE id = {id_}",), names)


# By table: the columns to copy, with what makes the copy another row.
_COPIES = {
    "sightings": "address_id, run_id, last_run_id, source, url || '#invented' AS url, title, listing,"
    " first_seen_at, last_seen_at",
    "captures": "address_id, run_id, requested_url, final_url, status, headers, body_size,"
    " sha256, fetched_at + interval '1 day' AS fetched_at, rendered, evaluated",
    "versions": "post_id, number + 100 AS number, title, text, content_hash, source, capture_id, run_id,"
    " parser_version, recorded_at",
    "accounts": "biz || 'x' AS biz, name, first_seen_at",
    "addresses": "biz, mid * 10 + 9 AS mid, idx, short_token || '9' AS short_token,"
    " other_key || '9' AS other_key, url, account_id, aid, expected_biz, last_outcome, first_seen_at",
    "posts": "account_id, aid || '9' AS aid, mid, (idx + 9)::smallint AS idx, title, url, published_on,"
    " account_name, html, published_at, kind, page_metadata, content_hash, source, capture_id,"
    " first_archived_at",
}
_OF_POSTS = {
    "post_links": "post_id, capture_id, relation, key || '9' AS key, url, text, position, page_metadata",
    "post_media": "post_id, medium_id, capture_id, 'poster' AS role, position, page_metadata",
}


def _inventions(connection: Connection) -> Iterator[Mutation]:
    """Insert rows that no program stored."""
    for table, columns in _COPIES.items():
        next_id = _of(connection, f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))") + 1
        for place, id_ in enumerate(ids(connection, table, most=4)):
            new = next_id + place
            yield Mutation((_copy(table, columns, id_, new),), (f"{table} {new}",))
    for table, columns in _OF_POSTS.items():
        for id_ in ids(connection, table, most=6):
            new = _of(connection, f"SELECT max(id) + 1 FROM {table}")
            yield Mutation((_copy(table, columns, id_, new),), names_of(connection, table, id_))


def _copy(table: str, columns: str, id_: int, new: int) -> str:
    names = ", ".join(part.split(" AS ")[-1].strip() for part in columns.split(", "))
    names = names.replace("(idx + 9)::smallint AS ", "")
    return (
        f"INSERT INTO {table} (id, {names}) OVERRIDING SYSTEM VALUE"
        f" SELECT {new}, {columns} FROM {table} WHERE id = {id_}"
    )


def _addresses(connection: Connection) -> Iterator[Mutation]:
    """Close addresses, open them, and let them be of another account; exchange what listings said."""
    for id_ in ids(connection, "addresses", "next_fetch_at IS NOT NULL AND last_outcome IS NULL", 6):
        for closed in ("last_outcome = 'deleted', next_fetch_at = NULL", "next_fetch_at = NULL"):
            yield Mutation((f"UPDATE addresses SET {closed} WHERE id = {id_}",), (f"addresses {id_}",))
    for id_ in ids(connection, "addresses", "last_outcome = 'article'", 6):
        opened = "last_outcome = NULL, last_reason = '', next_fetch_at = now()"
        yield Mutation((f"UPDATE addresses SET {opened} WHERE id = {id_}",), (f"addresses {id_}",))
    pairs = ids(connection, "sightings", most=12)
    for pair in zip(pairs[::2], pairs[1::2], strict=False):
        titled = f"UPDATE sightings SET title = id || title WHERE id IN {pair}"
        yield Mutation((titled, exchange("sightings", ("title",), pair)), (f"sightings {pair[0]}",))
        moved = exchange("sightings", ("address_id",), pair)
        yield Mutation((moved,), tuple(f"sightings {id_}" for id_ in pair))
        source = f"UPDATE sightings SET source = 'feed', title = '别处' WHERE id = {pair[0]}"
        yield Mutation((source,), (f"sightings {pair[0]}",))


_ONE_A_POST = (
    "id IN (SELECT max(id) FROM post_media WHERE medium_id IN"
    " (SELECT medium_id FROM post_media GROUP BY medium_id HAVING count(*) = 1) GROUP BY post_id)"
)


def _media(connection: Connection) -> Iterator[Mutation]:
    """Exchange media between posts, files between media, and files with matching hashes."""
    rows = ids(connection, "post_media", _ONE_A_POST, 12)
    for pair in zip(rows[::2], rows[1::2], strict=False):
        names = [name for id_ in pair for name in names_of(connection, "post_media", id_)]
        yield Mutation((exchange("post_media", ("medium_id",), pair),), tuple(names))
        yield Mutation((exchange("post_media", ("post_id", "capture_id"), pair),), tuple(names))
    with_file = ids(connection, "media", "file_id IS NOT NULL", 8)
    for pair in pairwise(with_file):
        names = [f"media {id_}" for id_ in pair]
        yield Mutation((exchange("media", ("file_id",), pair),), tuple(names))
    for id_ in with_file:
        file = _of(connection, f"SELECT file_id FROM media WHERE id = {id_}")
        other = "sha256 = sha256('other'), size = 5, path = 'ot/her.png'"
        yield Mutation((f"UPDATE files SET {other} WHERE id = {file}",), (f"media {id_}", f"files {file}"))
        gone = f"UPDATE media SET file_id = NULL WHERE id = {id_}", f"DELETE FROM files WHERE id = {file}"
        yield Mutation(gone, (f"media {id_}",))


def _accounts(connection: Connection) -> Iterator[Mutation]:
    """Rename accounts, also with their posts, and remove them with everything."""
    for id_ in ids(connection, "accounts", most=6):
        renamed = f"UPDATE accounts SET name = name || '改' WHERE id = {id_}"
        yield Mutation((renamed,), (f"accounts {id_}",))
        posts = f"UPDATE posts SET account_name = account_name || '改' WHERE account_id = {id_}"
        yield Mutation((renamed, posts), (f"accounts {id_}",))
        yield Mutation((BENEATH, *_without_account(id_)), (f"accounts {id_}",))


def _without_account(id_: int) -> Iterator[str]:
    posts = f"SELECT id FROM posts WHERE account_id = {id_}"
    addresses = f"SELECT id FROM addresses WHERE account_id = {id_}"
    for table in ("absences", "post_media", "post_links", "post_search_documents", "versions"):
        yield f"DELETE FROM {table} WHERE post_id IN ({posts})"
    results = f"SELECT id FROM captures WHERE address_id IN ({addresses})"
    yield f"DELETE FROM parse_results WHERE capture_id IN ({results})"
    yield f"DELETE FROM captures WHERE address_id IN ({addresses})"
    yield f"DELETE FROM sightings WHERE address_id IN ({addresses})"
    yield f"DELETE FROM addresses WHERE account_id = {id_}"
    yield f"DELETE FROM posts WHERE account_id = {id_}"
    yield f"DELETE FROM accounts WHERE id = {id_}"


def _entries(connection: Connection) -> Iterator[Mutation]:
    """Change rows and bend the entries of their facts: away, to another row, under a removal."""
    removal = _of(connection, "SELECT min(id) FROM removals")
    for id_ in ids(connection, "sightings", most=6):
        entry = _of(
            connection,
            f"SELECT max(id) FROM chain_entries WHERE fact_kind = 'sighting' AND fact_id = {id_}",
        )
        names = (f"sightings {id_}", f"chain_entries {entry}")
        row, of_entry = f"DELETE FROM sightings WHERE id = {id_}", f"WHERE id = {entry}"
        yield Mutation((row, f"DELETE FROM chain_entries {of_entry}"), (*names, f"chain_entries {entry + 1}"))
        yield Mutation((row, f"UPDATE chain_entries SET fact_id = fact_id + 1 {of_entry}"), names)
        marked = f"UPDATE chain_entries SET removed_by_id = {removal} {of_entry}"
        yield Mutation((row, marked), (*names, f"removals {removal}"))
        content = f"UPDATE chain_entries SET content_digest = sha256('x') {of_entry}"
        yield Mutation((content,), names)


def rewrite_chains(session: Session) -> None:
    """Compute all entries, chains and recorded heads again from the rows, as an administrator can."""
    contents = _contents(session)
    chains: dict[int, tuple[int, bytes]] = {}
    entries: list[dict[str, object]] = []
    gone: list[int] = []
    newest = _newest_entries(session)
    for row in session.scalars(select(ChainEntry).order_by(ChainEntry.chain_id, ChainEntry.position)):
        subject = _subject(row)
        is_kept = row.removed_by_id is not None or (row.fact_kind is not None and row.id not in newest)
        content = row.content_digest if is_kept else contents.get(subject)
        if content is None:
            gone.append(row.id)
            continue
        length, digest = chains.get(row.chain_id, (0, START))
        name = fact_name(row.fact_kind, row.fact_id or 0) if row.fact_kind else ""
        chains[row.chain_id] = length + 1, entry_digest(digest, content, name)
        end = chains[row.chain_id]
        entries.append({"id": row.id, "position": end[0], "content": content, "digest": end[1]})
    execute = session.connection().execute
    execute(text(BENEATH))
    execute(text("DELETE FROM chain_entries WHERE id = ANY(:gone)"), {"gone": gone})
    execute(_REWRITE, {name: [entry[name] for entry in entries] for name in entries[0]})
    execute(text("UPDATE chains SET length = 0, digest = :start"), {"start": START})
    grown = [{"id": id_, "length": length, "digest": digest} for id_, (length, digest) in chains.items()]
    execute(text("UPDATE chains SET length = :length, digest = :digest WHERE id = :id"), grown)
    for head_id in session.scalars(select(Head.id)).all():
        shorter = "UPDATE head_lengths SET length = least(head_lengths.length, chains.length) FROM chains"
        execute(text(f"{shorter} WHERE chains.id = chain_id"))
        again = {"digest": heads_digest(chains_at(session, head_id)), "id": head_id}
        execute(text("UPDATE heads SET digest = :digest WHERE id = :id"), again)
    session.expire_all()


# Positions may only become smaller, so that no two entries of a chain have the same one meanwhile.
_REWRITE = text("""
UPDATE chain_entries e SET position = n.position, content_digest = n.content, digest = n.digest
FROM (SELECT unnest(CAST(:id AS bigint[])) AS id, unnest(CAST(:position AS bigint[])) AS position,
  unnest(CAST(:content AS bytea[])) AS content, unnest(CAST(:digest AS bytea[])) AS digest) n
WHERE e.id = n.id
""")


def _subject(entry: ChainEntry) -> tuple[str, int]:
    if entry.fact_kind is not None:
        return entry.fact_kind, entry.fact_id or 0
    of = {"capture": entry.capture_id, "version": entry.version_id, "removal": entry.removal_id}
    return next(((kind, id_) for kind, id_ in of.items() if id_ is not None), ("", 0))


def _contents(session: Session) -> dict[tuple[str, int], bytes]:
    """Return the content of every row and fact as it is now."""
    rows = {"capture": capture_contents(), "version": version_contents(), "removal": removal_contents()}
    found = {(kind, row.id): row.content for kind, query in rows.items() for row in session.execute(query)}
    for kind, rule in RULES.items():
        every = {"ids": session.scalars(text(f"SELECT id FROM {rule.table}")).all()}
        found |= {(kind.value, row.id): row.content for row in session.execute(facts_of(kind), every)}
    return found


def _newest_entries(session: Session) -> set[int]:
    rows = "SELECT DISTINCT ON (fact_kind, fact_id) id FROM chain_entries WHERE fact_kind IS NOT NULL"
    return set(session.scalars(text(f"{rows} ORDER BY fact_kind, fact_id, position DESC")))
