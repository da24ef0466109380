"""Finds the media of a post: images, covers, videos with their stills, and audios, with addresses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

from archive.domain.addresses import clean_url
from archive.domain.outcomes import Role
from archive.domain.parsed_page import MediaRef
from crawler.parse.body import Body, listed_pictures, sizeless_path
from crawler.parse.body_images import image_address
from crawler.parse.players import Player, Stream
from crawler.parse.script_state import PageState, known, web_url, whole, words

MAX_MEDIA = 2000  # of one role; the post with the most images seen has 65

_MAX_SEEN = 2 * MAX_MEDIA  # images looked at for them

_WIDEST = ("2.35:1", "16:9", "", "3:4", "1:1")  # the cover of a listing; "" is the one without a ratio

_MAX_SIDE = 100_000  # pixels; what is wider is no image


def find_media(
    state: PageState, body: Body, covers: Mapping[str, str], players: Sequence[Player]
) -> tuple[MediaRef, ...]:
    """Return the media of a post by role, in order, each address once. `covers` are by ratio, "" for none."""
    media = (
        *_images(state, body),
        *_cover(covers),
        *(poster for player in players for poster in _poster(player)),
        *(played for player in players for played in _played(player)),
    )
    return tuple(_counted(media))


def _counted(media: Iterable[MediaRef]) -> Iterator[MediaRef]:
    seen: dict[Role, set[str]] = {role: set() for role in Role}
    for medium in media:
        keys = seen[medium.role]
        if medium.key and medium.key not in keys and len(keys) < MAX_MEDIA:
            yield replace(medium, position=len(keys))
            keys.add(medium.key)


def _medium(role: Role, address: str, facts: Mapping[str, Any], key: str = "") -> MediaRef:
    url = web_url(address).partition("#")[0]
    return MediaRef(role, key if url else "", url, 0, facts=known(facts))


def media_key(address: str) -> str:
    """Return the key of an address that does not expire: itself, by https, without its fragment."""
    url = web_url(address).partition("#")[0]
    return f"https://{url.partition('://')[2]}" if url else ""


def _images(state: PageState, body: Body) -> Iterator[MediaRef]:
    sizes = _image_facts(state, body)
    for address in islice(dict.fromkeys(body.images), _MAX_SEEN):
        yield _medium(Role.IMAGE, address, sizes.get(_picture(address), {}), media_key(address))


def _picture(address: str) -> str:
    """One picture whatever the size asked for, where the host is one that scales."""
    scaled = sizeless_path(address)
    return scaled if "qpic.cn/" in scaled or "qlogo.cn/" in scaled else address


def _image_facts(state: PageState, body: Body) -> dict[str, dict[str, Any]]:
    """Return the facts about each picture, from the page's list before the body's tags."""
    found: dict[str, dict[str, Any]] = {}
    for item in listed_pictures(state):
        live = item.get("live_photo")
        is_live = isinstance(live, Mapping) and bool(live.get("format_info"))
        facts = known({**_size(item.get("width"), item.get("height")), "live_photo": is_live})
        found.setdefault(_picture(clean_url(str(item.get("cdn_url") or ""))), facts)
    for element in islice((found for found in body.elements if found.name == "img"), _MAX_SEEN):
        size = _size(element.get("data-w"), None, element.get("data-ratio"))
        told = known({**size, "alt": words(element.get("alt"))})
        place = _picture(image_address(element.name, element.attributes))
        found[place] = told | found.get(place, {})
    return found


def _size(width: Any, height: Any, ratio: str = "") -> dict[str, int | None]:
    """Width and height in pixels. `data-w` is the width, `data-ratio` the height for a width of 1."""
    wide, high = whole(width), whole(height)
    if wide and not high:
        try:
            high = round(wide * float(ratio))
        except (ValueError, OverflowError):
            high = None
    fits = all(side is None or 0 < side < _MAX_SIDE for side in (wide, high))
    return {"width": wide, "height": high} if fits else {}


def _cover(covers: Mapping[str, str]) -> Iterator[MediaRef]:
    for ratio in _WIDEST:
        if key := media_key(covers.get(ratio, "")):
            yield _medium(Role.COVER, covers[ratio], {"ratio": ratio}, key)
            return


def _poster(player: Player) -> Iterator[MediaRef]:
    """Return a still of a channel's video, whose signed address differs each time."""
    signed = player.role is Role.VIDEO and "token=" in player.cover and player.id
    key = f"poster:{player.id}" if signed else media_key(player.cover)
    yield _medium(Role.POSTER, player.cover, {"id": player.id, "of": str(player.role)}, key)


def _played(player: Player) -> Iterator[MediaRef]:
    if player.streams:
        yield _video(player)
    elif player.url:
        key = f"audio:{player.id}" if player.url.endswith(f"mediaid={player.id}") else media_key(player.url)
        yield _medium(player.role, player.url, {"id": player.id, **player.facts}, key)


def _video(player: Player) -> MediaRef:
    """Return the best quality; `expires_at` is unknown, as the address has only its start (`dis_t`)."""
    best = max(player.streams, key=lambda s: ((s.width or 0) * (s.height or 0), s.size or 0))
    facts = {
        "id": player.id,
        **player.facts,
        **_told(best),
        "signed_at": _signed_at(best.url),
        "qualities": [_told(stream) | {"url": web_url(stream.url)} for stream in player.streams],
    }
    key = f"video:{player.id}" if player.id else media_key(best.url.partition("?")[0])
    return _medium(Role.VIDEO, best.url, facts, key)


def _told(stream: Stream) -> dict[str, Any]:
    return known(
        {
            "quality": stream.quality,
            "duration_ms": whole(stream.duration_ms),
            "bytes": stream.size,
            "width": stream.width,
            "height": stream.height,
        }
    )


def _signed_at(address: str) -> str:
    """When an address was signed, ISO 8601 in UTC."""
    try:
        seconds = whole(parse_qs(urlsplit(address).query).get("dis_t", [""])[0])
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z") if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""
