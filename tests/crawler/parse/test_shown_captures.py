"""Media and links of every real capture, held against counts made another way."""

import html
import re
from functools import cache
from urllib.parse import parse_qs, urlsplit

import lxml.html
import pytest

from archive.domain.outcomes import Kind
from archive.domain.parsed_page import ParsedPage
from crawler.parse.page import read_page
from tests.support.captures import capture, capture_names, evaluated_states, needs_captures

NAMES = capture_names("article_*")
STATES = evaluated_states()
pytestmark = needs_captures


@cache
def _read(name: str) -> ParsedPage:
    return read_page(capture(name))


def _body(reading: ParsedPage, name: str) -> lxml.html.HtmlElement:
    """Return the body as lxml's tree: the served one, or for text and picture posts that of the state."""
    state = STATES.get(name, {})
    drawn = reading.kind in (Kind.TEXT, Kind.PICTURE) and state.get("content_noencode")
    return lxml.html.fromstring(f"<div>{drawn or reading.html}</div>")


def _ids(url: str) -> tuple[str, ...]:
    query = parse_qs(urlsplit(html.unescape(url)).query)
    return tuple(query[name][0] for name in ("__biz", "mid", "idx"))


@pytest.mark.parametrize("name", NAMES)
def test_every_link_to_a_post_in_the_body_is_told_with_its_chksm(name: str) -> None:
    reading = _read(name)
    hrefs = [href for href in _body(reading, name).xpath("//a/@href") if "mp.weixin.qq.com/s" in href]
    found = {link.key: link.url for link in reading.links if link.relation == "post"}
    assert set(found) == {":".join(_ids(href)) for href in hrefs}
    for href in hrefs:
        chksm = re.search(r"chksm=\w+", href)
        assert not chksm or chksm[0] in found[":".join(_ids(href))]


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_told_once_in_the_order_of_the_page_with_its_size(name: str) -> None:
    reading = _read(name)
    images = [medium for medium in reading.media if medium.role == "image"]
    keys = [url.partition("#")[0].replace("http:", "https:", 1) for url in reading.page.get("images", [])]
    assert [image.key for image in images] == list(dict.fromkeys(keys))
    tags = _body(reading, name).xpath("//img[@data-src]")
    assert len({tag.get("data-src").partition("#")[0] for tag in tags}) <= len(images)
    sized = {tag.get("data-src").split("/")[4] for tag in tags if tag.get("data-w") and tag.get("data-ratio")}
    assert sized <= {image.key.split("/")[4] for image in images if image.facts.get("height")}


@pytest.mark.parametrize(("name", "state"), STATES.items())
def test_images_and_their_sizes_are_those_of_the_evaluated_state(name: str, state: dict) -> None:
    images = [medium for medium in _read(name).media if medium.role == "image"]
    listed = {html.unescape(html.unescape(item["cdn_url"])).partition("#")[0]: item
              for item in reversed(state["picture_page_info_list"])}  # fmt: skip
    assert {image.url for image in images} == set(listed)
    for image in images:
        told = listed[image.url]
        assert (image.facts["width"], image.facts["height"]) == (told["width"], told["height"])


@pytest.mark.parametrize(("name", "state"), STATES.items())
def test_albums_neighbours_and_source_are_those_of_the_evaluated_state(name: str, state: dict) -> None:
    links = {link.relation: link for link in reversed(_read(name).links)}
    album = state.get("appmsgalbuminfo") or {}
    assert (links["album"].key if "album" in links else "") == album.get("album_id", "")
    for relation, side in (("previous", "pre"), ("next", "next")):
        url = html.unescape(album.get(f"{side}_article_link", ""))
        assert (links[relation].url if relation in links else "") == url
        if url:
            assert links[relation].key == ":".join(_ids(url))
            assert "chksm=" in links[relation].url
    source = html.unescape(state.get("source_url", ""))
    assert (links["source"].url if "source" in links else "") == source


@pytest.mark.parametrize(("name", "state"), STATES.items())
def test_covers_reprints_and_cards_are_those_of_the_evaluated_state(name: str, state: dict) -> None:
    reading = _read(name)
    covers = {state.get(field) for field in ("cdn_url_235_1", "cdn_url_16_9", "cdn_url")} - {"", None}
    assert {medium.url for medium in reading.media if medium.role == "cover"} <= covers
    assert bool(covers) == any(medium.role == "cover" for medium in reading.media)
    origin = state.get("copyright_info", {}).get("source_mid")
    assert [link.key.split(":")[1] for link in reading.links if link.relation == "reprint"] == (
        [str(origin)] if origin else []
    )
    cards = {card["fakeid"] for card in (state.get("biz_card") or {}).get("list", [])}
    assert {link.key for link in reading.links if link.relation == "account"} == cards


@pytest.mark.parametrize("name", NAMES)
def test_the_html_is_what_the_page_serves_or_its_state_holds(name: str) -> None:
    reading = _read(name)
    state = STATES.get(name, {})
    if reading.html and reading.html.encode() not in capture(name):
        assert reading.html == state["content_noencode"]
    plain = reading.kind in (Kind.TEXT, Kind.VIDEO) or (reading.kind is Kind.PICTURE and state)
    assert bool(reading.html) != bool(plain)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_plays_is_told(name: str) -> None:
    reading = _read(name)
    body = _body(reading, name)
    voices = set(body.xpath("//*[@voice_encode_fileid]/@voice_encode_fileid"))
    songs = set(body.xpath("//qqmusic/@musicid"))
    frames = set(body.xpath("//*[@data-mpvid]/@data-mpvid"))
    assert voices | songs <= {medium.facts["id"] for medium in reading.media if medium.role == "audio"}
    assert frames <= {video["id"] for video in reading.page.get("videos", [])}
    signed = {medium.facts["id"] for medium in reading.media if medium.role == "video"}
    assert signed == {video["id"] for video in reading.page.get("videos", []) if video.get("sources")}
