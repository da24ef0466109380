"""Test that session secrets of earlier versions are removed, and what the hash chains vouch for is not."""

import json

from sqlalchemy import Engine, text

from archive.db.engine import transaction
from archive.domain.addresses import SESSION_NAMES, without_session
from tests.archive.db.migrations.migrating import migrate

BEFORE = "0009"
AFTER = "0010"
SECRET = "canary5a6b"
CLEAN = "https://mp.weixin.qq.com/s?__biz=MzA=&mid=1&idx=1&sn=ab&chksm=cd#rd"
FOREIGN = "https://other.example/?key=public"
DIRTY = CLEAN.replace("#rd", "".join(f"&{name}={SECRET}%3D" for name in sorted(SESSION_NAMES)) + "#rd")
MESSAGE = f'archive.error.other {{"error": "x", "detail": "{DIRTY}", "at": {{"at": "2026-01-01"}}}}'

ROWS = (
    ("INSERT INTO accounts (biz) VALUES ('MzA=')", {}),
    ("INSERT INTO runs (command, arguments, started_at) VALUES ('fetch', :json, now())", {"json": [DIRTY]}),
    ("INSERT INTO addresses (key, url, last_reason) VALUES ('a', :dirty, :message), ('b', :foreign, '')", {}),
    (
        "INSERT INTO sightings (address_id, run_id, source, url, title, listing, first_seen_at, last_seen_at)"
        " SELECT id, 1, 'list', u, 't', :json, t, t FROM addresses,"
        " (VALUES (:clean, now()), (:dirty, now() - interval '1 day'), (:foreign, now())) v(u, t)"
        " WHERE key = 'a'",
        {"json": {"link": DIRTY, "n": 1}},
    ),
    (
        "INSERT INTO posts (account_id, aid, mid, idx, title, url, published_on, account_name, text, facts,"
        " content_hash, source) VALUES (1, '1_1', 1, 1, '', :dirty, now(), '', '', :json, '', 'dump')",
        {"json": {"link": DIRTY}},
    ),
    (
        "INSERT INTO sources (account_id, name, detail, memory) VALUES"
        " (1, 'feed:a', :feed, :json), (1, 'album:1', :message, :json)",
        {"json": {"etag": "e", "last": DIRTY}, "feed": f"{FOREIGN}&k={SECRET} x"},
    ),
    (
        "INSERT INTO incidents (key, opened_at, last_seen_at, code, params) VALUES"
        " ('source:b:feed:a', now(), now(), 'c', :json)",
        {"json": {"reason": {"code": "c", "params": {"url": f"{FOREIGN}&k={SECRET}"}}, "n": 2}},
    ),
    (
        "INSERT INTO captures (address_id, requested_url, final_url, status, headers, body, body_encoding,"
        " body_size, sha256, fetched_at, rendered) VALUES (1, :dirty, :dirty, 200, '[]', '', 'gzip', 0, '',"
        " now(), false)",
        {},
    ),
)


def fill(engine: Engine) -> None:
    common = {"dirty": DIRTY, "clean": CLEAN, "foreign": FOREIGN, "message": MESSAGE}
    with transaction(engine) as session:
        for statement, own in ROWS:
            values = {name: json.dumps(value) if name == "json" else value for name, value in own.items()}
            used = {name: value for name, value in (common | values).items() if f":{name}" in statement}
            session.execute(text(statement), used)


def tables_with(engine: Engine, words: str) -> set[str]:
    names = ("runs", "addresses", "sightings", "posts", "sources", "incidents", "captures")
    with transaction(engine) as session:
        query = "SELECT string_agg(t::text, '') LIKE :words FROM {} t"
        return {name for name in names if session.scalar(text(query.format(name)), {"words": f"%{words}%"})}


def test_secrets_are_removed_where_no_hash_chain_vouches_for_them(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill(engine)
    assert len(tables_with(engine, SECRET)) == 7
    migrate(engine, AFTER)
    assert tables_with(engine, SECRET) == {"captures"}
    with transaction(engine) as session:
        urls = session.execute(text("SELECT key, url, last_reason FROM addresses ORDER BY key")).all()
        assert [tuple(row) for row in urls] == [
            ("a", CLEAN, MESSAGE.replace(DIRTY, CLEAN)),
            ("b", FOREIGN, ""),
        ]
        assert without_session(DIRTY) == CLEAN, "today's program writes the same"
        memories = {
            name: memory for name, memory in session.execute(text("SELECT name, memory FROM sources"))
        }
        assert memories == {"feed:a": {}, "album:1": {"etag": "e", "last": CLEAN}}
        for table in ("runs", "addresses", "sightings", "posts", "sources", "incidents"):
            assert session.scalar(text(f"SELECT bool_and(t.seal = seal_of(t)) FROM {table} t")), table


def test_two_sightings_that_become_equal_are_one_with_both_times(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill(engine)
    migrate(engine, AFTER)
    with transaction(engine) as session:
        rows = session.execute(
            text("SELECT url, last_seen_at - first_seen_at = interval '1 day' FROM sightings ORDER BY url")
        )
        assert [tuple(row) for row in rows] == [(CLEAN, True), (FOREIGN, False)]


def test_a_damaged_row_stays_for_verify_to_find(engine: Engine) -> None:
    migrate(engine, BEFORE)
    fill(engine)
    with transaction(engine) as session:
        session.execute(text("ALTER TABLE addresses DISABLE TRIGGER USER"))
        session.execute(text("UPDATE addresses SET aid = 'forged' WHERE key = 'a'"))
        session.execute(text("ALTER TABLE addresses ENABLE TRIGGER USER"))
    migrate(engine, AFTER)
    with transaction(engine) as session:
        damaged = "SELECT url FROM addresses a WHERE a.seal <> seal_of(a)"
        assert session.scalars(text(damaged)).all() == [DIRTY]
