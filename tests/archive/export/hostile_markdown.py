"""Bodies whose words would act if a reader of Markdown took them for HTML, links or attributes.

All invented. `@` stands for markup as words, as a post about programming would show it.
"""

# ruff: noqa: E501 - one body a line
from html import escape
from itertools import product

_ACTS = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "svg": "<svg onload=alert(1)>",
    "frame": "<iframe src=javascript:alert(1)></iframe>",
    "block": "<div onclick=alert(1)>\n\n# x\n\n</div>",
    "unfinished": "<img src=x onerror=alert(1) ",
    "comment": "<!--><img src=x onerror=alert(1)>-->",
    "instruction": "<?php x ?><img src=x onerror=alert(1)>",
    "declaration": "<!X><img src=x onerror=alert(1)>",
    "link": "[x](javascript:alert(1))",
    "link in brackets": "[x](<javascript:alert(1)>)",
    "autolink": "<javascript:alert(1)>",
}
_PLACES = {
    "words": "<p>a @ b</p>",
    "start": "<p>@</p>",
    "bold": "<p>x<b>@</b>x<i>@</i><s>@</s></p>",
    "code": "<p>x <code>@</code> x</p>",
    "code with ticks": "<p>x ` <code>`@``</code> `x</p>",
    "block of code": "<p>x</p><pre>a\n@\n\n@</pre>",
    "heading": "<h2>@</h2>",
    "item": "<ul><li>@<ul><li><pre>a\n\n    @</pre></li></ul></li></ul>",
    "quotation": "<blockquote>@<pre>@\n\n@</pre></blockquote>",
    "cell": "<table><tr><td>@</td><td><code>|@|</code></td></tr><tr><td>x</td><td>@</td></tr></table>",
    "merged cell": "<table><tr><td rowspan=2>@<ul><li>@</ul></td><td><code>@</code></td></tr><tr><td><pre>a\n\n@</pre></td></tr></table>",
    "formula": '<p>x<span data-formula="@"></span><math><mi>@</mi></math></p><section data-formula="@">x</section>',
    "raised words": "<p>x<sup>@</sup><mark>@</mark></p>",
    "link": "<p><a href='https://x.example/'>@</a></p>",
}
PLACED = {
    f"{act} in {place}": body.replace("@", escape(words))
    for (act, words), (place, body) in product(_ACTS.items(), _PLACES.items())
}

MADE = {
    "alt": "<img src='https://x.example/a' alt='](javascript:alert(1)) <img src=x onerror=alert(1)>'>",
    "alt that ends the image": "<img src='https://x.example/a' alt='x](https://x.example/) [y](javascript:alert(1)'>",
    "source with a quote": "<img src='https://x.example/a\" onerror=\"alert(1)'>",
    "source with a bracket": "<img src='https://x.example/a) [x](javascript:alert(1)'>",
    "source with a title": "<img src='https://x.example/a \"onerror=alert(1)\"'>",
    "source of data": "<img src='data:text/html;base64,PHNjcmlwdD4='>",
    "picture of data": "<img src='data:image/png;base64,iVBORw0KGgo='>",
    "target of script": "<a href='javascript:alert(1)'>x</a>",
    "target of script with an entity": "<a href='java&#10;script:alert(1)'>x</a>",
    "target of script twice escaped": "<a href='java&amp;#115;cript:alert(1)'>x</a>",
    "target of data": "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "target of vbscript": "<a href='vbscript:x'>x</a>",
    "target with a quote": "<a href='https://x.example/\" onclick=\"alert(1)'>x</a>",
    "target with an angle": "<a href='https://x.example/><img src=x onerror=alert(1)>'>x</a>",
    "target with brackets": "<a href='https://x.example/)<img src=x onerror=alert(1)>('>x</a>",
    "target with ticks": "<p>`<a href='https://x.example/`<img src=x onerror=alert(1)>'>x</a>`</p>",
    "target with braces": "<a href='https://x.example/'>x</a>{: onclick=alert(1) }",
    "attributes of a heading": "<h2>x {: onclick=alert(1) }</h2>",
    "attributes of a paragraph": "<p>x<br>{: onclick=alert(1) }</p>",
    "attributes of bold words": "<p><b>x</b>{ onclick=alert(1) }</p>",
    "attributes of code": "<p><code>x</code>{=html}<code>&lt;img src=x onerror=alert(1)&gt;</code>{=html}</p>",
    "a definition": "<p>[x]: javascript:alert(1)</p><p>[x]</p>",
    "a definition in an item": "<ul><li>[x]: javascript:alert(1)</li><li>[x][x]</li></ul>",
    "a definition over lines": "<p>[x]:<br>javascript:alert(1)</p><p>[x]</p>",
    "a definition in code": "<pre>[x]: javascript:alert(1)</pre><p>[x]</p>",
    "a footnote": "<p>[^1]</p><p>[^1]: &lt;img src=x onerror=alert(1)&gt;</p>",
    "an abbreviation": "<p>*[x]: &quot; onmouseover=alert(1)</p><p>x</p>",
    "front matter": "<p>---<br>x: &lt;script&gt;<br>---</p>",
    "a fence": "<p>```html<br>&lt;script&gt;alert(1)&lt;/script&gt;<br>```</p>",
    "a fence of tildes": "<p>~~~<br>&lt;script&gt;alert(1)&lt;/script&gt;<br>~~~</p>",
    "a fence that code ends": "<pre>```\n\n&lt;img src=x onerror=alert(1)&gt;</pre>",
    "deep code": "<pre>        &lt;img src=x onerror=alert(1)&gt;</pre>",
    "code after an item": "<ul><li>x</li></ul><pre>&lt;img src=x onerror=alert(1)&gt;</pre>",
    "code between quotations": "<blockquote>x</blockquote><pre>&lt;img src=x onerror=alert(1)&gt;</pre>x",
    "indented words": "<p>&nbsp;&nbsp;&nbsp;&nbsp;&lt;img src=x onerror=alert(1)&gt;</p>",
    "a backslash before": "<p>\\&lt;img src=x onerror=alert(1)&gt;</p>",
    "a backslash before a tick": "<p>\\<code>&lt;img src=x onerror=alert(1)&gt;</code></p>",
    "two backslashes before a tick": "<p>\\\\<code>a\\</code>&lt;img src=x onerror=alert(1)&gt;</p>",
    "code that ends in a backslash": "<p><code>a\\</code> <code>&lt;img src=x onerror=alert(1)&gt;\\</code></p>",
    "entities as words": "<p>&amp;lt;img src=x onerror=alert(1)&amp;gt;</p>",
    "numbers as words": "<p>&amp;#60;img src=x onerror=alert(1)&amp;#62;</p>",
    "entities as code": "<pre>&amp;lt;img src=x onerror=alert(1)&amp;gt;</pre><code>&amp;#60;script&amp;#62;</code>",
    "split tag": "<p>&lt;<b>img</b> src=x onerror=alert(1)&gt;</p>",
    "split over lines": "<p>&lt;img<br>src=x<br>onerror=alert(1)&gt;</p>",
    "full width": "<p>＜img src=x onerror=alert(1)＞</p>",
    "control characters": "<p>&lt;\x01img src=x onerror=alert(1)&gt;\x03\x04</p>",
    "formula": "<p>$$\\href{javascript:alert(1)}{x}$$ $&lt;img src=x onerror=alert(1)&gt;$</p>",
    "formulas": "<p><i data-formula='*a*{onclick=alert(1)}'></i><i data-formula='\\href{javascript:alert(1)}{x}'></i><i data-formula='[x](javascript:alert(1))'></i><i data-formula='\\hat{x}_a_{onclick=alert(1)}'></i></p>",
    "nested links": "<a href='https://x.example/'><a href='javascript:alert(1)'>x</a></a>",
    "link in a link's words": "<a href='https://x.example/'>[x](javascript:alert(1))</a>",
    "image in a link": "<a href='javascript:alert(1)'><img src='https://x.example/a'></a>",
    "mail": "<a href='mailto:a@x.example?body=&lt;script&gt;'>x</a>",
    "video": "<video src='https://x.example/a' onerror=alert(1)>&lt;script&gt;</video>",
    "card": "<mpvoice name='&lt;img src=x onerror=alert(1)&gt; [x](javascript:alert(1))'></mpvoice>",
    "caption": "<table><caption>&lt;script&gt;alert(1)&lt;/script&gt;</caption><tr><td>x</td><td>y</td></tr></table>",
    "bars": "<table><tr><td>|&lt;img src=x onerror=alert(1)&gt;|</td><td>`</td></tr><tr><td>`</td><td>x</td></tr></table>",
    "merged cells": "<table><tr><td colspan='2 onclick=x'><img src='https://x.example/\" onerror=\"x' alt='\" onerror=\"alert(1)'><a href='javascript:x'>x</a></td></tr><tr><td colspan=2><a href='https://x.example/\" onclick=\"x'>y</a></td></tr></table>",
    "rule and heading": "<p>x<br>===<br>&lt;img src=x onerror=alert(1)&gt;<br>---</p>",
    "comment in words": "<p>&lt;!-- x</p><p>--&gt;&lt;img src=x onerror=alert(1)&gt;</p>",
    "character data": "<p>&lt;![CDATA[ x</p><p>]]&gt;&lt;img src=x onerror=alert(1)&gt;</p>",
    "template": "<p>{{ constructor.constructor('alert(1)')() }} {% raw %}</p>",
}  # fmt: skip
BODIES = PLACED | MADE
