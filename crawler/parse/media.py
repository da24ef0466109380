"""Finds the media of a post: images, covers, videos with their stills, and audios, with addresses."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from archive.domain.addresses import clean_url
from archive.domain.outcomes import Role
from archive.domain.parsed_page import MediaRef
from crawler.parse.body import Body, listed_pictures
from crawler.parse.elements import Element, image_address, sizeless_path
from crawler.parse.script_state import PageState, known, link_address, plain, web_url, whole, words

AUDIO_URL = "https://res.wx.qq.com/voice/getvoice?mediaid="

MAX_PLAYERS = 500  # of a post; real ones have under 20

_ID = re.compile(r"[A-Za-z0-9_=-]{4,200}")

_SNAPS = frozenset({"mp-common-videosnap", "mpvideosnap"})

_VOICES = frozenset({"mpvoice", "mp-common-mpaudio"})

_SONGS = frozenset({"qqmusic", "mp-common-qqmusic"})


@dataclass(frozen=True, slots=True)
class Stream:
    """One quality of a video, at a signed address that expires."""

    url: str
    quality: str = ""
    duration_ms: Any = None
    size: int | None = None  # bytes
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Player:
    """A video or audio. `url` is an address that does not expire, where there is one; `cover` its still."""

    role: Role
    id: str = ""
    url: str = ""
    cover: str = ""
    streams: tuple[Stream, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        sources = [{"url": s.url, "quality": s.quality, "duration_ms": s.duration_ms} for s in self.streams]
        return known({"id": self.id, "url": self.url, "cover": self.cover, "sources": sources, **self.facts})


def find_players(state: PageState, elements: Sequence[Element]) -> list[Player]:
    """Return the videos and audios of a post, those of its state first, each once."""
    found: dict[tuple[Role, str], Player] = {}
    for player in (*_listed_videos(state), *_listed_audios(state), *_shown(elements)):
        key = (player.role, player.id or player.url or player.cover or str(len(found)))
        first = found.get(key)
        if first:
            found[key] = replace(first, cover=first.cover or player.cover, facts=player.facts | first.facts)
        elif len(found) < MAX_PLAYERS:
            found[key] = player
    return [player for player in found.values() if player.as_dict()]


def players_by_name(players: Iterable[Player]) -> dict[str, list[dict[str, Any]]]:
    """Return the videos and audios as JSON values, by name."""
    named = {Role.VIDEO: "videos", Role.AUDIO: "audios"}
    found: dict[str, list[dict[str, Any]]] = {}
    for player in players:
        found.setdefault(named[player.role], []).append(player.as_dict())
    return found


def _listed_videos(state: PageState) -> Iterator[Player]:
    listed = state.items("data.video_page_infos", "videoPageInfos") or [
        dict(state.mapping("data.video_page_info"))
    ]
    videos = [_listed_video(item) for item in listed]
    yield from videos
    vid = state.text("vid")
    if vid and not any(video.id for video in videos):
        yield Player(Role.VIDEO, vid, cover=web_url(state.get("cdn_url")))  # cgiData's, 2018 and 2019


def _listed_video(item: Mapping[str, Any]) -> Player:
    sources = item.get("mp_video_trans_info") or []
    streams = [
        _stream(source) for source in sources if isinstance(source, dict) and link_address(source, "url")
    ]
    return Player(Role.VIDEO, plain(item, "video_id"), "", link_address(item, "cover_url"), tuple(streams))


def _stream(source: Mapping[str, Any]) -> Stream:
    return Stream(
        url=link_address(source, "url"),
        quality=plain(source, "video_quality_wording"),
        duration_ms=source.get("duration_ms"),
        size=whole(source.get("filesize")),
        width=whole(source.get("width")),
        height=whole(source.get("height")),
    )


def _listed_audios(state: PageState) -> Iterator[Player]:
    voice = state.text("voiceid")
    if _ID.fullmatch(voice):
        yield _voice(voice, {"duration": state.number("duration")})
    for item in state.items("data.voice_in_appmsg"):
        if _ID.fullmatch(plain(item, "voice_id")):
            yield _voice(plain(item, "voice_id"), {})


def _voice(voice: str, facts: Mapping[str, Any], cover: str = "") -> Player:
    return Player(Role.AUDIO, voice, AUDIO_URL + voice, cover, facts=known(facts))


def _shown(elements: Sequence[Element]) -> Iterator[Player]:
    for element in elements:
        if element.name in _SNAPS:
            yield _snap(element)
        elif element.name in _VOICES:
            yield from _voice_card(element)
        elif element.name in _SONGS:
            yield _song(element)
        elif element.name in ("audio", "source"):
            yield from _plain_audio(element)
        elif element.name == "iframe" or element.get("data-mpvid"):
            yield from _frame(element)


def _frame(element: Element) -> Iterator[Player]:
    """Return a video in a frame: WeChat's by `data-mpvid`, Tencent Video's by the `vid` of its address."""
    source = clean_url(element.get("data-src", "src"))
    ident = element.get("data-mpvid") or _parameter(source, "vid")
    cover = web_url(unquote(element.get("data-cover")))
    if _ID.fullmatch(ident):
        width, ratio = whole(element.get("data-w")), element.get("data-ratio")
        facts = {"player": web_url(source), "width": width, "ratio": ratio[:20]}
        yield Player(Role.VIDEO, ident, "", cover, facts=known(facts))
    elif cover:
        yield Player(Role.VIDEO, "", "", cover)


def _parameter(address: str, name: str) -> str:
    try:
        return parse_qs(urlsplit(address).query).get(name, [""])[0]
    except ValueError:
        return ""


def _snap(element: Element) -> Player:
    """Return a video of the account's channel (视频号): a card without an address of the video."""
    facts = {
        "name": words(element.get("data-nickname")),
        "title": words(element.get("data-desc", "data-intro")),
        "channel": words(element.get("data-username")),
        "nonce_id": words(element.get("data-nonceid")),
        "width": whole(element.get("data-width")),
        "height": whole(element.get("data-height")),
        "portrait": web_url(element.get("data-headimgurl")),
        "type": words(element.get("data-type")),
    }
    ident = words(element.get("data-id", "data-noticeid"))
    cover = web_url(element.get("data-url", "data-cover"))
    return Player(Role.VIDEO, ident, "", cover, facts=known(facts))


def _voice_card(element: Element) -> Iterator[Player]:
    facts = {
        "name": words(element.get("name")),
        "author": words(element.get("author")),
        "duration_ms": whole(element.get("play_length")),
    }
    if _ID.fullmatch(voice := element.get("voice_encode_fileid")):
        yield _voice(voice, facts, web_url(element.get("cover", "data-cover")))


def _song(element: Element) -> Player:
    """Return a song of QQ Music; `play_length` is in seconds here."""
    seconds = whole(element.get("play_length"))
    facts = {
        "name": words(element.get("music_name")),
        "author": words(element.get("singer")),
        "duration_ms": seconds * 1000 if seconds else None,
    }
    address, cover = web_url(element.get("audiourl")), web_url(element.get("albumurl", "cover"))
    ident = words(element.get("musicid", "otherid", "mid"))
    return Player(Role.AUDIO, ident, address, cover, facts=known(facts))


def _plain_audio(element: Element) -> Iterator[Player]:
    """Return an audio that a script put into the body, such as background music."""
    if address := web_url(element.get("src")):
        voice = _parameter(address, "mediaid") if address.startswith(AUDIO_URL) else ""
        yield _voice(voice, {}) if _ID.fullmatch(voice) else Player(Role.AUDIO, url=address)


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
