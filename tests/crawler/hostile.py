"""Synthetic posts whose scripts do what no post should. Each is a post that only a script draws."""

from tests.crawler import pages

_DRAW = """const words = document.createElement('p');
words.textContent = '脚本画出的正文。';
document.getElementById('js_content').appendChild(words);"""

# What the page does once its text is drawn; the text is taken all the same.
MISBEHAVING = {
    "throws": "throw new Error('synthetic');",
    "opens dialogs": "alert(1); confirm(2); prompt(3); onbeforeunload = () => 'stay';",
    "opens windows": "for (let n = 0; n < 50; n++) open('/mp/popup?' + n);",
    "goes elsewhere": "location.href = 'https://elsewhere.example/';",
    "goes to another page": "setTimeout(() => { location = '/mp/away'; }, 50);",
    "is refreshed": """document.head.insertAdjacentHTML('beforeend',
        '<meta http-equiv="refresh" content="0;url=/mp/refreshed">');""",
    "reloads itself": "location.reload(); setInterval(() => location.reload(), 20);",
    "posts a form": """document.body.insertAdjacentHTML('beforeend',
        '<form method="post" action="/mp/form"></form>'); document.forms[0].submit();""",
    "opens frames": "document.body.insertAdjacentHTML('beforeend', '<iframe src=/mp/frame></iframe>');",
    "downloads": """const link = document.createElement('a'); link.download = 'x.bin';
        link.href = URL.createObjectURL(new Blob(['x'.repeat(1e6)])); link.click();
        link.href = '/mp/file.zip'; link.click();""",
    "shows 10,000 pictures": """document.body.insertAdjacentHTML('beforeend',
        Array.from({length: 1e4}, (_, n) => '<img src="/mp/picture?' + n + '">').join(''));""",
    "asks without end": """(async () => {
        for (let n = 0; ; n++) { await fetch('/mp/poll?' + n).catch(() => 0); } })();""",
    "moves without end": """document.body.append(document.createElement('i'));
        setInterval(() => { document.body.lastChild.textContent += '.'; }, 10);""",
    "redefines the language": """JSON.stringify = Object.keys = Array.isArray = () => { throw 1; };
        Object.prototype.toJSON = () => { throw 2; }; Document.prototype.querySelector = () => null;
        Object.defineProperty(Element.prototype, 'outerHTML', {get() { throw 3; }});
        Object.defineProperty(HTMLElement.prototype, 'innerText', {get() { throw 4; }});
        document.body.insertAdjacentHTML('beforeend', '<img name="body"><img name="documentElement">');""",
    "renames itself": "history.replaceState(null, '', '/mp/wappoc_appmsgcaptcha?poc_token=x');",
    "opens sockets": "new WebSocket('wss://mp.weixin.qq.com/x'); new EventSource('/mp/events');",
    "starts workers": """navigator.serviceWorker.register('/mp/worker.js').catch(() => 0);
        new SharedWorker('/mp/shared.js'); new Worker('/mp/worker.js');""",
    "asks for permissions": """navigator.geolocation.getCurrentPosition(() => 0);
        Notification.requestPermission();
        navigator.mediaDevices?.getUserMedia({audio: true}).catch(() => 0);""",
}
SHOWS_A_NOTICE = """document.getElementById('js_article').outerHTML =
    '<div class="weui-msg"><h2 class="weui-msg__title warn">该内容已被发布者删除</h2></div>';"""
# Its scripts hold a text, under a name that nobody finds who only reads them; the reader is shown another.
SHOWS_NOTHING = """words.remove();
window['cgiData' + 'New'] = {content_noencode: '<p>只在脚本里的合成正文。</p>'};"""

# What no browser gets through, each with a word of the reason given for it.
HOPELESS = {
    "loops while it loads": ("for (;;);", "took longer"),
    "loops once it is loaded": ("setTimeout(() => { for (;;); }, 100);", "took longer"),
    "opens dialogs for ever": ("for (;;) alert('synthetic');", "took longer"),
    "loops when it is read": (
        "Object.defineProperty(window, 'cgiDataNew', {get() { for (;;); }});", "cannot be read"),
    "fills the machine's memory": (
        "const kept = []; for (;;) kept.push(new Uint8Array(3e7).fill(7));", "used more than"),
    "draws 20 MB": ("document.body.append(document.createComment('x'.repeat(2e7)));", "grew to"),
    "empties its window": ("location = 'about:blank';", "navigated to"),
}  # fmt: skip


def page(mid: int, script: str) -> bytes:
    """Return a post that renders itself and then runs this script."""
    drawn = pages.article(mid, "").replace(b"<p></p>", b"")
    return drawn.replace(b"</body>", f"<script>{_DRAW}\n{script}</script></body>".encode())
