"""Processes that store the same posts at once."""

import pytest
from sqlalchemy import Engine, text

from tests.archive.children import IMAGES, POSTS
from tests.archive.conftest import StartChild

WRITERS = 8
COUNTS = text("SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM versions WHERE number = 1),"
              " (SELECT count(*) FROM versions), (SELECT count(*) FROM accounts)")  # fmt: skip
OF_PAGES = text("SELECT (SELECT count(*) FROM media), (SELECT count(*) FROM post_media),"
                " (SELECT count(*) FROM post_links)")  # fmt: skip


DOING = {
    "importing a dump": ["import"],
    "storing pages": ["store"],
    "importing and storing": ["import", "store"],
}


@pytest.mark.parametrize("whats", DOING.values(), ids=DOING)
def test_eight_processes_that_store_the_same_hundred_posts_leave_a_hundred(
    whats: list[str], engine: Engine, fresh_database_url: str, start_child: StartChild
) -> None:
    # Each does the one or the other, half of them in the opposite order.
    work = [(whats[n % len(whats)], *(["backwards"] if n // 2 % 2 else [])) for n in range(WRITERS)]
    children = [start_child(*what, MPARCHIVE_DATABASE_URL=fresh_database_url) for what in work]
    for child in children:
        assert child.stdout and child.stdout.readline() == "open\n"
    for child in children:
        child.stdin.write("go\n")  # type: ignore[union-attr]  # a pipe
        child.stdin.flush()  # type: ignore[union-attr]  # a pipe
    assert [child.wait(60) for child in children] == [0] * WRITERS
    with engine.connect() as connection:
        assert connection.execute(COUNTS).one() == (POSTS, POSTS, POSTS, 1)
        if "store" in whats:  # each image in every post, a cover, a link
            assert connection.execute(OF_PAGES).one() == (IMAGES + 1, POSTS * (IMAGES + 1), POSTS)


def test_processes_that_open_an_empty_database_together_migrate_it_once(
    empty_database_url: str, start_child: StartChild
) -> None:
    children = [start_child("hold", MPARCHIVE_DATABASE_URL=empty_database_url) for _ in range(4)]
    for child in children:
        assert child.stdout and child.stdout.readline() == "open\n"
        child.communicate("")
        assert child.returncode == 0
