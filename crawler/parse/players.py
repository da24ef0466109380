"""Finds the videos and audios of a post, in the page's state and in the players of its body."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from archive.domain.addresses import clean_url
from archive.domain.outcomes import Role
from crawler.parse.elements import Element
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
    if _ID.fullmatch(ident):
        width, ratio = whole(element.get("data-w")), element.get("data-ratio")
        facts = {"player": web_url(source), "width": width, "ratio": ratio[:20]}
        yield Player(Role.VIDEO, ident, "", web_url(unquote(element.get("data-cover"))), facts=known(facts))


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
    return Player(Role.VIDEO, ident, "", web_url(element.get("data-url")), facts=known(facts))


def _voice_card(element: Element) -> Iterator[Player]:
    facts = {
        "name": words(element.get("name")),
        "author": words(element.get("author")),
        "duration_ms": whole(element.get("play_length")),
    }
    if _ID.fullmatch(voice := element.get("voice_encode_fileid")):
        yield _voice(voice, facts, web_url(element.get("cover")))


def _song(element: Element) -> Player:
    """Return a song of QQ Music; `play_length` is in seconds here."""
    seconds = whole(element.get("play_length"))
    facts = {
        "name": words(element.get("music_name")),
        "author": words(element.get("singer")),
        "duration_ms": seconds * 1000 if seconds else None,
    }
    address, cover = web_url(element.get("audiourl")), web_url(element.get("albumurl"))
    ident = words(element.get("musicid", "otherid", "mid"))
    return Player(Role.AUDIO, ident, address, cover, facts=known(facts))


def _plain_audio(element: Element) -> Iterator[Player]:
    """Return an audio that a script put into the body, such as background music."""
    if address := web_url(element.get("src")):
        voice = _parameter(address, "mediaid") if address.startswith(AUDIO_URL) else ""
        yield _voice(voice, {}) if _ID.fullmatch(voice) else Player(Role.AUDIO, url=address)
