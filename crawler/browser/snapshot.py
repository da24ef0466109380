"""Takes a snapshot of a rendered page: its DOM, its scripts' values and its text.

The page's own scripts may have redefined anything. So DOM and text are read in an isolated world, where
built-ins and document are untouched, and variables by an expression of plain language constructs, under a
time limit of V8's that also ends a getter that never returns.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from archive.domain.addresses import HOST
from archive.domain.errors import MessageError
from crawler.browser.request_gate import RequestGate
from crawler.parse.page import SHOWN_TEXT
from crawler.parse.response import MAX_PAGE_BYTES
from crawler.parse.script_state import MAX_STATE, STATE_NAMES

LOAD_TIMEOUT = 30.0  # seconds until a page has all its files; half a page is of no use

IDLE = 250  # milliseconds without a change in the page or a file being fetched: it has settled

SETTLE_TIMEOUT = 3.0  # seconds to settle; some pages poll or move for ever

EVALUATION_TIMEOUT = 3_000  # milliseconds for one expression

MAX_TEXT = 500_000  # characters; the longest real text has under 0.1 million

MAX_DEPTH = 12  # levels of a value; the deepest real one has 6


class RenderError(MessageError):
    """The browser cannot render the page. Trying again would not help."""


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A rendered page: the DOM in UTF-8, and the evaluated values, with the text it shows among them."""

    body: bytes
    evaluated: dict[str, Any]
    cut: bool  # the values were too large, and are left out


async def take_snapshot(page: Page, gate: RequestGate) -> RenderedPage:
    """Wait until the page has settled, and read it. Raises RenderError, or Playwright's errors."""
    session = await page.context.new_cdp_session(page)
    tree = await session.send("Page.getFrameTree")
    frame = tree["frameTree"]["frame"]["id"]
    world = await session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "mparchive"})
    isolated = world["executionContextId"]
    await _wait_for_load(session, isolated)
    await _wait_until_settled(session, isolated, gate)
    values, cut = await _values(session)
    body = await _dom(session, isolated)
    text = await _evaluate(session, _TEXT % MAX_TEXT, isolated)
    return RenderedPage(body, {**values, SHOWN_TEXT: str(text)[:MAX_TEXT]}, cut)


async def _wait_for_load(session: CDPSession, world: int) -> None:
    try:
        await asyncio.wait_for(_evaluate(session, _LOAD, world), LOAD_TIMEOUT)
    except TimeoutError:
        raise RenderError("crawler.browser.load_too_slow", limit=f"{LOAD_TIMEOUT:g}") from None


async def _wait_until_settled(session: CDPSession, world: int, gate: RequestGate) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_TIMEOUT
    while loop.time() < deadline:
        before = gate.files
        left = max(0, int((deadline - loop.time()) * 1000))
        await _evaluate(session, _SETTLED % {"idle": IDLE, "longest": left}, world)
        if gate.files == before and not gate.busy:
            return


async def _evaluate(session: CDPSession, expression: str, world: int | None = None) -> Any:
    arguments = {
        "expression": expression,
        "returnByValue": True,
        "awaitPromise": True,
        "timeout": EVALUATION_TIMEOUT,
    }
    answer = await session.send("Runtime.evaluate", arguments | ({"contextId": world} if world else {}))
    if "exceptionDetails" in answer:
        error = str(answer["exceptionDetails"].get("text"))[:80]
        raise RenderError("crawler.browser.unreadable", error=error)
    return answer["result"].get("value")


async def _dom(session: CDPSession, world: int) -> bytes:
    document = await _evaluate(session, _DOM % MAX_PAGE_BYTES, world)
    if urlsplit(document["url"]).hostname != HOST:
        raise RenderError("crawler.browser.left", address=document["url"][:100])
    body: bytes = document["html"].encode("utf-8", "replace")  # a lone surrogate is no character
    size = max(document["size"], len(body))
    if size > MAX_PAGE_BYTES:
        raise RenderError("crawler.browser.page_too_large", size=size, limit=MAX_PAGE_BYTES)
    return body


async def _values(session: CDPSession) -> tuple[dict[str, Any], bool]:
    """Return the page's own values by name, and whether they were too large to take."""
    expression = _VALUES % {"size": MAX_STATE, "depth": MAX_DEPTH, "reads": _READS}
    try:
        result = await _evaluate(session, expression)
    except PlaywrightError as error:  # ended by its time limit, or with the page's process
        raise RenderError("crawler.browser.values_too_slow") from error
    values = result.get("values") if isinstance(result, dict) else None
    if not isinstance(values, dict) or result.get("left", 0) < 0:
        return {}, True
    known = {name: value for name, value in values.items() if name in STATE_NAMES and value is not None}
    if len(json.dumps(known)) > 2 * MAX_STATE:  # escapes may double it
        return {}, True
    return known, False


# Read from the document itself: Playwright's own wait never ends when a script navigates before its end.
_LOAD = """new Promise(done => {
  if (Reflect.get(Document.prototype, 'readyState', document) === 'complete') done();
  else addEventListener('load', () => done());
})"""

_SETTLED = """new Promise(done => {
  let idle = setTimeout(done, %(idle)d);
  const again = () => { clearTimeout(idle); idle = setTimeout(done, %(idle)d); };
  const everything = {subtree: true, childList: true, characterData: true};
  new MutationObserver(again).observe(document, everything);
  setTimeout(done, %(longest)d);
})"""

# By the prototype's own getters: elements with such names would hide the document's properties.
_DOM = """(() => {
  const own = name => Reflect.get(Document.prototype, name, document);
  const type = own('doctype'), html = own('documentElement').outerHTML;
  const size = html.length;
  const start = type ? new XMLSerializer().serializeToString(type) + '\\n' : '';
  return {url: location.href, size, html: size <= %d ? start + html : ''};
})()"""

# A body stays hidden until a script of another host has run; it is the post's text all the same.
_TEXT = """(() => {
  const body = Reflect.get(Document.prototype, 'body', document);
  for (const hidden of body.querySelectorAll('#js_content')) hidden.style.visibility = 'visible';
  return body.innerText.slice(0, %d);
})()"""

_VALUES = """(() => {
  let left = %(size)d;
  const plain = (value, depth, above) => {
    if (typeof value === 'string') { left -= value.length + 4; return left < 0 ? null : value; }
    left -= 8;
    if (typeof value === 'number' || typeof value === 'boolean') return value;
    if (typeof value !== 'object' || value === null || depth > %(depth)d || left < 0) return null;
    if (value.nodeType || value.window) return null;
    for (let one = above; one; one = one.above) if (one.value === value) return null;
    const here = {__proto__: null, value, above};
    if (Array.isArray(value)) {
      const list = [];
      for (let at = 0; at < value.length && left > 0; at++) list[at] = plain(value[at], depth + 1, here);
      return list;
    }
    const found = {__proto__: null};
    for (const name of Object.keys(value)) {
      if (left < 0) break;
      left -= name.length + 4;
      found[name] = plain(value[name], depth + 1, here);
    }
    return found;
  };
  const values = {__proto__: null};
  const read = (name, get) => {
    try { values[name] = plain(get(), 0, null); } catch { values[name] = null; }
  };
  %(reads)s
  return {__proto__: null, values, left};
})()"""

_READS = "\n  ".join(
    f"read('{name}', () => typeof {name} === 'undefined' ? null : {name});" for name in sorted(STATE_NAMES)
)
