"""Short synthetic pages of the shapes the crawl has to tell apart."""

BIZ = "MzAwMDAwMDAwMA=="


def path(mid: int) -> str:
    """Return the path of an invented post, on the server."""
    return f"/s?__biz={BIZ}&mid={mid}&idx=1&sn={mid:032x}&chksm={mid:x}ab"


def url(mid: int) -> str:
    """Return the address of an invented post, on mp.weixin.qq.com."""
    return f"http://mp.weixin.qq.com{path(mid)}#rd"


def article(mid: int, text: str = "合成的正文。") -> bytes:
    """Return an ordinary post."""
    return f"""<!DOCTYPE html><html><head><title></title>
<meta property="og:title" content="合成标题{mid}" /><meta name="author" content="合成作者" /></head><body>
<div id="js_article" class="rich_media"><h1 id="activity-name">合成标题{mid}</h1>
<div class="rich_media_content" id="js_content" style="visibility: hidden; opacity: 0; "><p>{text}</p>
</div></div>
<script type="text/javascript">
var biz = "{BIZ}" || "";
var sn = "{mid:032x}" || "" || "";
var mid = "{mid}" || "" || "";
var idx = "1" || "" || "";
var msg_title = '合成标题{mid}'.html(false);
var ct = "1762475508";
var nickname = htmlDecode("合成公众号");
var user_name = "gh_000000000000";
var item_show_type = "0";
window.PAGE_MID='mmbizwap:appmsg/newindex.html';
</script></body></html>""".encode()


VERIFICATION_PATH = "/mp/wappoc_appmsgcaptcha?poc_token=c0ffee&target_url=x"


def verification() -> bytes:
    """Return the verification page."""
    return b"""<!DOCTYPE html><html><head><title></title></head><body>
<script>var PAGE_MID='mmbizwap:secitptpage/verify.html';
window.cgiData={cap_appid:"1",cap_sid:"c0ffee",poc_token:"c0ffee"}</script></body></html>"""


def deleted() -> bytes:
    """Return the notice that a post was deleted by its author."""
    return """<!DOCTYPE html><html><head><title></title></head><body>
<div class="weui-msg"><div class="weui-msg__text-area">
<h2 class="weui-msg__title warn">该内容已被发布者删除</h2>
</div></div></body></html>""".encode()


def drawn(mid: int, text: str = "脚本画出的正文。") -> bytes:
    """Return a post whose body only a script renders; it also requests what must not be reached."""
    body = article(mid, "").replace(b"<p></p>", b"")
    script = f"""<img src="https://mmbiz.example/x.jpg"><img src="/forbidden.jpg">
<script src="https://elsewhere.example/x.js"></script>
<script>
fetch('/mp/more').then(answer => answer.text()).then(more => {{
  const paragraph = document.createElement('p');
  paragraph.textContent = '{text}' + more;
  document.getElementById('js_content').appendChild(paragraph);
}});
fetch('https://elsewhere.example/leak').catch(() => {{}});
</script></body>"""
    return body.replace(b"</body>", script.encode())
