"""The HTTP side: Twisted's web server, with answers packed beforehand and faults on the wire."""

import gzip
import json
import time
from collections import Counter
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from twisted.internet import reactor
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tests.standin.discovery import Listings, asking
from tests.standin.faults import MEDIA, Fault, Faults, fault_of
from tests.standin.media import EVIL_SVG, bomb_png, file_at
from tests.standin.publishing import publish
from tests.standin.site import HTML, Answer, Site
from tests.standin.wire import bomb, pack

KEPT_REQUESTS = 100_000  # of the newest, in the statistics
CHUNK = 64 * 1024  # bytes
HUGE = 2 * 1024**3  # bytes
HUGE_LIST = 100 * 1024**2  # bytes
OTHER_HOST = "/_host/"
_COOKIES = (
    "rewardsn=; Path=/; HttpOnly; Secure",
    "wxtokenkey=777; Path=/; HttpOnly; Secure",
    "synthetic_session=c0ffee-must-be-scrubbed; Path=/; HttpOnly; Secure",
)
_PLAIN_ERROR = Answer(pack([b"<html><head><title>Error</title></head><body></body></html>"]))


class Front(Resource):
    """Every address of the stand-in."""

    isLeaf = True

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.faults = Faults()
        self.listings = Listings(site)
        self._requests: list[dict[str, Any]] = []

    def render(self, request: Request) -> int:
        """Answer one request."""
        target = request.uri.decode("ascii", "replace")
        path, _, query = target.partition("?")
        if path.startswith("/__"):
            self._inside(request, path)
        else:
            self._outside(request, target, path, dict(parse_qsl(query, keep_blank_values=True)))
        return NOT_DONE_YET

    def _outside(self, request: Request, target: str, path: str, query: dict[str, str]) -> None:
        if self.listings.kind(path):
            self._listing(request, target)
            return
        if path.startswith(OTHER_HOST):
            self._media(request, target)
            return
        entry = self.site.find(path, query)
        names = (entry.post.name, entry.post.aid, entry.post.token) if entry else ()
        is_page = path == "/s" or path.startswith("/s/") or path == "/mp/appmsgalbum"
        fault = self.faults.take(names) if is_page else None
        answer = self.site.answer(path, query, target)
        if fault and fault.kind == "verification":
            answer, fault = self.site.challenge(target), None
        self._note(request, target, path, fault, answer)
        Delivery(request, answer).send(fault)

    def _listing(self, request: Request, target: str) -> None:
        """Answer with a list of posts, at any host; one that hangs is never answered."""
        path, _, query = target.partition("?")
        headers = {
            name.decode().lower(): values[0].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        answer = self.listings.answer(asking(path, query, headers, request.content.read()))
        fault = self.listings.on_the_wire(path)
        self._note(request, path, path, None, answer)
        if fault == "huge":
            request.setHeader("Content-Length", str(HUGE_LIST))
            request.write(b" " * HUGE_LIST)
        if not fault:
            Delivery(request, answer).send(None)

    def _media(self, request: Request, target: str) -> None:
        """Answer with the file at another host's address, `/_host/<host>/<path>`."""
        path, _, query = target.partition("?")
        host, _, rest = path.removeprefix(OTHER_HOST).partition("/")
        found = file_at(f"/{rest}", query)
        answer = (
            Answer(pack([found[1]]), content_type=found[2]) if found else replace(_PLAIN_ERROR, status=404)
        )
        fault = self.faults.take((MEDIA, host, found[0] if found else ""))
        if fault and fault.kind == "verification":
            challenge = self.site.challenge(target)
            location = f"https://mp.weixin.qq.com{dict(challenge.headers)['Location']}"
            answer, fault = replace(challenge, headers=(("Location", location),)), None
        self._note(request, target, path, fault, answer, host)
        MediaDelivery(request, answer).send(fault)

    def _note(  # noqa: PLR0917 - what is noted
        self,
        request: Request,
        target: str,
        path: str,
        fault: Fault | None,
        answer: Answer,
        host: str = "mp.weixin.qq.com",
    ) -> None:
        noted = {
            "target": target,
            "path": path,
            "client": request.getClientAddress().host,
            "at": time.monotonic(),
            "status": answer.status,
            "host": host,
        }
        self._requests.append({**noted, "fault": fault.kind if fault else None})
        del self._requests[:-KEPT_REQUESTS]

    def _inside(self, request: Request, path: str) -> None:
        try:
            found = self._control(json.load(request.content)) if path == "/__control" else self._told(path)
            status = 200
        except (KeyError, TypeError, ValueError) as error:
            found, status = {"error": f"{type(error).__name__}: {error}"}, 400
        request.setResponseCode(status)
        request.setHeader("Content-Type", "application/json")
        request.write(json.dumps(found, ensure_ascii=False, default=str).encode())
        request.finish()

    def _told(self, path: str) -> Any:
        if path == "/__stats":
            return self._stats()
        if path == "/__posts":
            return [asdict(expected) for expected in self.site.describe()]
        raise ValueError(f"nothing at {path}")

    def _stats(self) -> dict[str, Any]:
        times = [noted["at"] for noted in self._requests]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return {
            "total": len(self._requests),
            "hosts": Counter(noted["host"] for noted in self._requests),
            "paths": Counter(noted["path"] for noted in self._requests),
            "targets": Counter(noted["target"] for noted in self._requests),
            "requests": self._requests,
            "gaps": gaps,
        }

    def _control(self, order: dict[str, Any]) -> dict[str, Any]:
        match order.pop("do", None):
            case "fault":
                self.faults.add(fault_of(order))
            case "clear":
                self.faults.clear()
            case "show":
                self.site.show(order["post"], order["what"])
            case "forget":
                self._requests.clear()
            case "source":
                self.listings.strike(order["source"], order["fault"])
            case "weread":
                getattr(self.listings.weread, {"scan": "scan", "end_session": "end_session"}[order["what"]])()
            case "publish":
                publish(self.site, order)
            case other:
                raise ValueError(
                    f"no such order: {other!r}; one of fault, clear, show, forget, source, weread, publish"
                )
        return {"done": True}


class Delivery:
    """One answer on its way to one client, with the fault that strikes it."""

    def __init__(self, request: Request, answer: Answer) -> None:
        self._request = request
        self._answer = answer
        self._gone = False
        request.notifyFinish().addErrback(self._lost)

    def _lost(self, _reason: object) -> None:
        self._gone = True

    def send(self, fault: Fault | None) -> None:
        """Send it, well or badly."""
        if fault is None:
            self._whole()
        else:
            getattr(self, f"_{fault.kind}")(fault)

    def _whole(self) -> None:
        if not self._gone:
            self._request.write(self._headed(self._wire()))
            self._request.finish()

    def _wire(self) -> bytes:
        packed = "gzip" in (self._request.getHeader("accept-encoding") or "")
        if packed:
            self._request.setHeader("Content-Encoding", "gzip")
        return self._answer.content.gzip if packed else self._answer.content.body

    def _headed(self, wire: bytes, *, measured: bool = True) -> bytes:
        request = self._request
        request.setResponseCode(self._answer.status)
        request.setHeader("Content-Type", self._answer.content_type)
        request.responseHeaders.setRawHeaders("Set-Cookie", _COOKIES)
        for name, value in self._answer.headers:
            if name == "Set-Cookie":
                request.responseHeaders.addRawHeader(name, value)
            else:
                request.setHeader(name, value)
        if measured:
            request.setHeader("Content-Length", str(len(wire)))
        return wire

    def _slow(self, fault: Fault) -> None:
        reactor.callLater(fault.seconds, self._whole)

    def _slow_body(self, fault: Fault) -> None:
        wire = self._headed(self._wire())
        half = len(wire) // 2
        self._request.write(wire[:half])
        reactor.callLater(fault.seconds, self._rest, wire[half:])

    def _rest(self, wire: bytes) -> None:
        if not self._gone:
            self._request.write(wire)
            self._request.finish()

    def _cut(self, _fault: Fault) -> None:
        wire = self._headed(self._wire())
        self._request.write(wire[: len(wire) // 2])
        self._request.channel.loseConnection()

    def _cut_chunked(self, _fault: Fault) -> None:
        wire = self._headed(self._wire(), measured=False)
        half = wire[: len(wire) // 2]
        for start in range(0, len(half), CHUNK):
            self._request.write(half[start : start + CHUNK])
        self._request.channel.loseConnection()

    def _reset(self, _fault: Fault) -> None:
        self._request.channel.forceAbortClient()

    def _error(self, fault: Fault) -> None:
        headers = (("Retry-After", fault.retry_after),) if fault.retry_after else ()
        self._answer = replace(_PLAIN_ERROR, status=fault.status, headers=headers)
        self._whole()

    def _gb18030(self, _fault: Fault) -> None:
        self._in_gb18030("text/html; charset=GB18030")

    def _gb18030_lying(self, _fault: Fault) -> None:
        self._in_gb18030(HTML)

    def _in_gb18030(self, content_type: str) -> None:
        body = self._answer.content.body.decode().encode("gb18030")
        content = replace(self._answer.content, parts=(body,), gzip=gzip.compress(body, mtime=0))
        self._answer = replace(self._answer, content=content, content_type=content_type)
        self._whole()

    def _bomb(self, _fault: Fault) -> None:
        self._request.setHeader("Content-Encoding", "gzip")
        self._request.write(self._headed(bomb()))
        self._request.finish()

    def _elsewhere(self, fault: Fault) -> None:
        self._answer = replace(_PLAIN_ERROR, status=302, headers=(("Location", fault.to),))
        self._whole()


class MediaDelivery(Delivery):
    """The same for a file of a media host: as it is, without cookies, and with faults of its own."""

    def _wire(self) -> bytes:
        return self._answer.content.body

    def _file(self, body: bytes, content_type: str) -> None:
        self._answer = replace(self._answer, content=pack([body]), content_type=content_type)
        self._whole()

    def _page(self, _fault: Fault) -> None:
        self._file(b"<!DOCTYPE html><html><body>no picture</body></html>", "image/jpeg")

    def _script(self, _fault: Fault) -> None:
        self._file(EVIL_SVG, "image/svg+xml")

    def _pixels(self, _fault: Fault) -> None:
        self._file(bomb_png(), "image/png")

    def _huge(self, _fault: Fault) -> None:
        self._headed(b"", measured=False)
        self._request.setHeader("Content-Length", str(HUGE))
        Stream(self._request)

    def _endless(self, _fault: Fault) -> None:
        self._headed(b"", measured=False)
        Stream(self._request)


class Stream:
    """Two gigabytes, a piece at a time as the client takes them (Twisted's pull producer)."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._left = HUGE
        request.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """Write the next piece."""
        self._request.write(bytes(CHUNK * 4))
        self._left -= CHUNK * 4
        if self._left <= 0:
            self._request.unregisterProducer()
            self._request.finish()

    def stopProducing(self) -> None:
        """Ignore a client that has disconnected."""
