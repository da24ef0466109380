"""Script weight: invented minified JavaScript that makes a page as heavy as the real ones.

Deterministic, valid, never called (so a browser only scans it), and about as compressible as the real
bundles: 2.9 MB of page is some 530 kB of gzip. Its functions hold the decoys that real bundles hold.
"""

import random
from functools import lru_cache
from pathlib import Path

_WORDS = (Path(__file__).parent / "templates" / "words.txt").read_text().split()

_DECOYS = """function _decoy(e,t){var biz = null;
var mid = start + end >> 1;
var idx = 0;
var sn = null;
var msg_title = opt.title || window.msg_title;
var user = {user_name: "gh_1e80bb81a1d2", nickname: "", biz: opt.biz || window.biz};
var tips = ["该内容已被发布者删除", "此内容因违规无法查看", "环境异常", "去验证", "参数错误", "链接已过期"];
var urls = {login: "/mp/login", verify: "/mp/wappoc_appmsgcaptcha", js_verify: "#js_verify"};
return user.user_name + tips.length + urls.verify + biz + mid + idx + sn + msg_title}
"""


LONGEST = 400  # bytes of one function, at most


@lru_cache(maxsize=8)
def bundle(size: int, seed: int) -> bytes:
    """One script's content of about `size` bytes (never more), always the same for the same arguments."""
    if size < len(_DECOYS.encode()) + LONGEST:
        return b""
    chance = random.Random(seed)
    pieces = ['(function(){"use strict";\n', _DECOYS]
    room = size - sum(len(piece.encode()) for piece in pieces) - len("})();")
    while room > LONGEST:
        piece = _function(chance)
        pieces.append(piece)
        room -= len(piece)
    return "".join([*pieces, "})();"]).encode()


def _word(chance: random.Random) -> str:
    """Return a word; a few are far more frequent than the others, as in real code."""
    return _WORDS[int(len(_WORDS) * chance.random() ** 6)]


def _name(chance: random.Random) -> str:
    return f"{_word(chance)}{_word(chance).capitalize()}"


def _function(chance: random.Random) -> str:
    while True:
        lines = "".join(chance.choice(_STATEMENTS)(chance) for _ in range(chance.randint(3, 7)))
        if len(lines) < LONGEST - 100:
            return f"function {_name(chance)}(e,t,n){{{lines}return e}}\n"


_STATEMENTS = (
    lambda c: f"var {_name(c)}=t.{_name(c)}||{c.randrange(64)};",
    lambda c: f'if(e.{_name(c)}){{n.{_name(c)}("{_word(c)}_{_word(c)}",{c.randrange(99)})}}',
    lambda c: f"e.{_name(c)}=function(r){{return r.{_word(c)}*{c.randrange(64)}+t.{_name(c)}}};",
    lambda c: f't.{_word(c)}.classList.{c.choice(("add", "remove"))}("{_word(c)}-{_word(c)}");',
    lambda c: f"for(var i=0;i<n.{_word(c)}.length;i++){{e.push(n[i].{_name(c)})}}",
    lambda c: f'e.setAttribute("data-{_word(c)}",t.{_word(c)}+"{c.randrange(256):02x}");',
)
