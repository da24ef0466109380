from archive.domain.weekly_digest import Title
from crawler.discovery.source import State
from crawler.discovery.sources.archived_links import ArchivedLinks, LinkedPost, Neighbourhood
from tests.archive.domain.test_weekly_digest import DAY, TITLES, digest
from tests.crawler.discovery.driving import drive, post_url


def test_linked_posts_are_seen_and_missing_titles_told() -> None:
    around = Neighbourhood(
        linked=(LinkedPost(post_url(5), "合成前篇", 2),),
        digests=(digest(),),
        titles=(Title(TITLES[0], DAY),),
    )
    found, asked = drive(ArchivedLinks(around))
    assert asked == []
    assert found.state is State.OK
    assert [(seen.url, seen.title) for seen in found.posts] == [(post_url(5), "合成前篇")]
    assert found.memory == {"missing": [{"digest": "2650000100_2", "title": title} for title in TITLES[1:]]}
    assert TITLES[1] in str(found.advice)


def test_nothing_missing_is_nothing_to_do() -> None:
    around = Neighbourhood(digests=(digest(),), titles=tuple(Title(title, DAY) for title in TITLES))
    found, _ = drive(ArchivedLinks(around))
    assert (found.state, found.posts, found.advice, found.memory) == (State.UNCHANGED, (), None, {})


def test_albums_that_are_not_listed_are_offered() -> None:
    around = Neighbourhood(titles=(Title("合成", DAY),), albums=("11", "22"))
    assert "22" in str(drive(ArchivedLinks(around, ["11"]))[0].detail)
    assert "11" not in str(drive(ArchivedLinks(around, ["11"]))[0].detail)
    assert drive(ArchivedLinks(around, ["11", "22"]))[0].detail is None
