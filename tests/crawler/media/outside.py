"""SVG files that make a program request something, and files as drawing programs write them. All synthetic.

OUTSIDE stands for the address of a server.
"""


def _svg(inner: str, attributes: str = "", before: str = "") -> str:
    return (
        f'{before}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'xmlns:h="http://www.w3.org/1999/xhtml" width="20" height="10"{attributes}>{inner}</svg>'
    )


_RECT = '<rect width="9" height="9" {}/>'

REQUESTS = {
    "image": _svg('<image href="OUTSIDE/a.png" width="9" height="9"/>'),
    "image by xlink": _svg('<image xlink:href="OUTSIDE/a.png" width="9" height="9"/>'),
    "image in metadata": _svg('<metadata><h:img src="OUTSIDE/a.png"/></metadata>'),
    "use": _svg('<use href="OUTSIDE/a.svg#x"/>'),
    "filter image": _svg(
        '<filter id="f"><feImage href="OUTSIDE/a.png"/></filter>' + _RECT.format('filter="url(#f)"')
    ),
    "import": _svg("<style>@import 'OUTSIDE/a.css';</style>"),
    "import by url": _svg("<style>@import url(OUTSIDE/a.css);</style>"),
    "import around a comment": _svg("<style>@im<!-- x -->port 'OUTSIDE/a.css';</style>"),
    "import in CDATA": _svg("<style><![CDATA[@import 'OUTSIDE/a.css';]]></style>"),
    "import escaped": _svg("<style>@\\69mport 'OUTSIDE/a.css';</style>"),
    "import by an HTML style": _svg("<h:style>@import 'OUTSIDE/a.css';</h:style>"),
    "font": _svg(
        "<style>@font-face{font-family:f;src:url(OUTSIDE/a.woff)}text{font-family:f}</style>"
        '<text y="9">a</text>'
    ),
    "background": _svg("", ' style="background:url(OUTSIDE/a.png)"'),
    "image set": _svg("", " style=\"background:image-set('OUTSIDE/a.png' 1x)\""),
    "old image set": _svg("", ' style="background:-webkit-image-set(url(OUTSIDE/a.png) 1x)"'),
    "cross-fade": _svg(
        "", ' style="background:-webkit-cross-fade(url(OUTSIDE/a.png),url(OUTSIDE/b.png),50%)"'
    ),
    "variable": _svg("<style>svg{--a:url(OUTSIDE/a.png);background:var(--a)}</style>"),
    "mask": _svg(_RECT.format('mask="url(OUTSIDE/a.svg#m)"')),
    "mask image": _svg(_RECT.format('style="mask-image:url(OUTSIDE/a.png)"')),
    "clip path": _svg(_RECT.format('clip-path="url(OUTSIDE/a.svg#c)"')),
    "filter": _svg(_RECT.format('filter="url(OUTSIDE/a.svg#f)"')),
    "marker": _svg('<path d="M0 0L9 9" marker-end="url(OUTSIDE/a.svg#m)"/>'),
    "fill": _svg(_RECT.format('fill="url(OUTSIDE/a.svg#p)"')),
    "cursor": _svg(_RECT.format('cursor="url(OUTSIDE/a.png),auto"')),
    "HTML in foreign object": _svg(
        '<foreignObject width="9" height="9"><h:img src="OUTSIDE/a.png"/></foreignObject>'
    ),
    "HTML image": _svg('<h:img src="OUTSIDE/a.png"/>'),
    "HTML image set": _svg('<h:img srcset="OUTSIDE/a.png 1x"/>'),
    "HTML style sheet": _svg('<h:link rel="stylesheet" href="OUTSIDE/a.css"/>'),
    "HTML prefetch": _svg('<h:link rel="prefetch" href="OUTSIDE/a.css"/>'),
    "HTML frame": _svg('<foreignObject><h:iframe src="OUTSIDE/a.html"/></foreignObject>'),
    "HTML object": _svg('<foreignObject><h:object data="OUTSIDE/a.html"/></foreignObject>'),
    "HTML video": _svg('<h:video src="OUTSIDE/a.mp4" poster="OUTSIDE/a.png"/>'),
    "HTML refresh": _svg('<h:meta http-equiv="refresh" content="0;url=OUTSIDE/a.html"/>'),
    "script file": _svg('<script href="OUTSIDE/a.js"/>'),
    "script": _svg("<script>new Image().src = 'OUTSIDE/a.png';</script>"),
    "event": _svg("", " onload=\"new Image().src = 'OUTSIDE/a.png'\""),
    "animation event": _svg(
        _RECT.format("").replace(
            "/>", '><set attributeName="x" to="1" onbegin="new Image().src = \'OUTSIDE/a.png\'"/></rect>'
        )
    ),
    "animated address": _svg(
        '<image width="9" height="9"><set attributeName="href" to="OUTSIDE/a.png"/></image>'
    ),
    "animated address by xlink": _svg(
        '<image width="9" height="9"><animate attributeName="xlink:href" values="OUTSIDE/a.png" dur="9s"/>'
        "</image>"
    ),
    "animated mask": _svg(
        _RECT.format("").replace("/>", '><set attributeName="mask" to="url(OUTSIDE/a.svg#m)"/></rect>')
    ),
    "style sheet by instruction": _svg("", before='<?xml-stylesheet href="OUTSIDE/a.css"?>'),
    "transformation by instruction": _svg(
        "", before='<?xml-stylesheet type="text/xsl" href="OUTSIDE/a.xsl"?>'
    ),
    "document type": _svg("", before='<!DOCTYPE svg SYSTEM "OUTSIDE/a.dtd">'),
    "entity": _svg("<text>&a;</text>", before='<!DOCTYPE svg [<!ENTITY a SYSTEM "OUTSIDE/a.txt">]>'),
    "declared attribute": _svg(
        "",
        before="<!DOCTYPE svg [<!ATTLIST svg onload CDATA \"new Image().src = 'OUTSIDE/a.png'\">]>",
    ),
    "base": _svg('<g xml:base="OUTSIDE/"><use href="a.svg#x"/></g>'),
    "ping": _svg('<a href="#a" ping="OUTSIDE/a">' + _RECT.format("") + "</a>"),
}

DRAWINGS = {
    "plain": _svg('<rect width="9" height="9" fill="url(#g)" style="fill:#fff;stroke:url(\'#g\')"/>'),
    "as Inkscape": _svg(
        '<sodipodi:namedview pagecolor="#fff" inkscape:zoom="1"/><metadata><rdf:RDF><cc:Work rdf:about="">'
        "<dc:format>image/svg+xml</dc:format></cc:Work></rdf:RDF></metadata>"
        '<g inkscape:label="层 (1)" style="fill:url(#a);-inkscape-font-specification:x"><path d="M0 0"/></g>',
        ' xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" xml:space="preserve"'
        ' xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://creativecommons.org/ns#"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" inkscape:version="1.3"',
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?><!-- made -->',
    ),
    "as Illustrator": _svg(
        '<style type="text/css">.st0{fill:#FFF;}.st1{clip-path:url(#c);}'
        "@media print{.st0:not(.a){fill:red}}</style>"
        '<defs><linearGradient id="g" gradientTransform="matrix(1 0 0 1 0 0)" xlink:href="#h"/></defs>'
        '<g id="图层_1" data-name="图层 1 (2)"><path class="st0" d="M0,0"/></g>',
        ' version="1.1" x="0px" y="0px" enable-background="new 0 0 20 10"',
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
    ),
    "as Sketch": _svg(
        '<title>a</title><desc>Created.</desc><g sketch:type="MSLayerGroup"><use xlink:href="#p"/></g>',
        ' xmlns:sketch="http://www.bohemiancoding.com/sketch/ns" aria-label="x" role="img"',
    ),
    "with an image": _svg('<image href="data:image/png;base64,AAAA" width="9" height="9"/>'),
    "with a filter": _svg(
        '<filter id="f"><feGaussianBlur in="SourceGraphic" stdDeviation="2"/><feMerge><feMergeNode/>'
        "</feMerge></filter>" + _RECT.format('filter="url(#f)" transform="translate(1 2) rotate(3)"')
    ),
    "moving": _svg(
        "<style>@keyframes a{from{transform:scale(1)}to{transform:scale(calc(1 + 1))}}rect{animation:a 1s"
        " cubic-bezier(0,0,1,1) infinite}</style>"
        + _RECT.format("").replace(
            "/>",
            '><animate attributeName="fill" values="red;url(#a)" dur="1s" repeatCount="indefinite"/>'
            '<animateMotion dur="1s"><mpath xlink:href="#p"/></animateMotion></rect>',
        )
    ),
}
