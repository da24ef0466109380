"""Facts of a post's page besides its record: author, album, region, source."""

from tests.crawler.parse.made import read


def test_what_the_page_says_of_the_post_is_among_its_facts() -> None:
    page = read(
        script='var author = "合成作者"; var msg_desc = "摘要"; var msg_source_url = "https://x.example/a";'
    ).page
    assert (page["author"], page["digest"], page["source_url"]) == ("合成作者", "摘要", "https://x.example/a")


def test_times_are_seconds_and_iso_instants() -> None:
    page = read().page
    assert (page["ct"], page["published_at"]) == (1700000000, "2023-11-14T22:13:20Z")


def test_what_the_page_does_not_say_is_no_fact() -> None:
    assert "author" not in read().page
    assert "album" not in read().page
