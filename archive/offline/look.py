"""The style sheet of pages: WeChat's column, sizes and greys, on a phone, at a desk and in the dark."""

_CARD, _MISSING = ".mparchive-card", ".mparchive-missing"

LOOK = f"""
:root{{color-scheme:light dark;--paper:#fff;--words:rgba(0,0,0,.9);--quiet:rgba(0,0,0,.55);--line:#e5e5e5;
--link:#576b95;--around:#fff}}
@media(prefers-color-scheme:dark){{:root{{--paper:#191919;--words:rgba(255,255,255,.8);
--quiet:rgba(255,255,255,.5);--line:#333;--link:#7d90a9;--around:#191919}}}}
*{{margin:0;padding:0}}
html{{-webkit-text-size-adjust:100%;background:var(--around)}}
body{{font-family:"PingFang SC",system-ui,-apple-system,"Helvetica Neue","Hiragino Sans GB",
"Microsoft YaHei UI","Microsoft YaHei","Noto Sans CJK SC",Arial,sans-serif;line-height:1.6;
color:var(--words);max-width:677px;margin:0 auto;padding:20px 16px 32px}}
@media(min-width:1024px){{body{{padding:32px 0 48px}}}}
a{{color:var(--link);text-decoration:none}}
body>header h1{{font-size:22px;line-height:1.4;font-weight:500;margin-bottom:14px;overflow-wrap:anywhere}}
body>header p{{font-size:15px;color:var(--quiet);margin-bottom:22px}}
body>header p span{{display:inline-block;margin-right:10px}}
body>header .account{{color:var(--link)}}
body>header .original{{font-size:13px;background:rgba(128,128,128,.15);border-radius:3px;padding:0 4px}}
main{{position:relative;isolation:isolate;overflow-x:auto;overflow-y:hidden;font-size:17px;line-height:1.6;
letter-spacing:.034em;text-align:justify;overflow-wrap:break-word}}
main.drawn{{color-scheme:light;color:rgba(0,0,0,.9);--paper:#fff;--words:rgba(0,0,0,.9);
--quiet:rgba(0,0,0,.55);--line:#e5e5e5;--link:#576b95}}
@media(prefers-color-scheme:dark){{main.drawn{{background:#fff;padding:16px;border-radius:4px}}}}
main *{{max-width:100%!important;box-sizing:border-box;overflow-wrap:break-word}}
main p{{clear:both;min-height:1em}}
main h1,main h2,main h3,main h4,main h5,main h6{{font-weight:400;font-size:16px}}
main ol,main ul{{padding-left:2.2em;list-style-position:outside}}
main table{{margin-bottom:10px;border-collapse:collapse;display:table;width:100%;word-break:break-word}}
main td,main th{{word-break:break-all;border:1px solid #ddd;padding:5px 10px}}
main th{{border-top-width:2px;background:rgba(128,128,128,.08)}}
main img{{height:auto!important;vertical-align:bottom}}
main pre{{white-space:pre-wrap}}
main blockquote{{padding-left:10px;border-left:3px solid #dbdbdb;color:rgba(0,0,0,.5)}}
main pre>code{{display:block}}
.mparchive-picture{{margin-bottom:12px}}
{_MISSING}{{display:inline-flex;flex-direction:column;justify-content:center;text-align:center;
width:100%;min-height:64px;padding:8px;border:1px dashed #b2b2b2;border-radius:4px;color:#777;
background:rgba(128,128,128,.08);font-size:12px;line-height:1.5;letter-spacing:0;text-indent:0;
vertical-align:bottom;overflow:hidden;white-space:normal;height:auto!important}}
{_MISSING}-line,{_CARD}-line{{display:block;overflow-wrap:anywhere}}
{_CARD}{{display:block;margin:12px 0;padding:12px 14px;border:1px solid var(--line);border-radius:6px;
font-size:15px;line-height:1.5;text-align:left;text-indent:0;letter-spacing:0;color:var(--words);
background:var(--paper);white-space:normal}}
{_CARD}-label{{display:block;font-size:12px;color:var(--quiet)}}
{_CARD}-title{{display:block;font-weight:500}}
{_CARD}-line{{font-size:12px;color:var(--quiet)}}
{_CARD}-still{{max-height:240px;width:auto;margin-bottom:8px;display:block}}
{_CARD} audio,{_CARD} video{{display:block;width:100%;margin-top:8px}}
.more{{font-size:15px;margin-top:22px}}
.more a{{margin-right:14px}}
body>footer{{margin-top:32px;padding-top:12px;border-top:1px solid var(--line);font-size:12px;
color:var(--quiet);overflow-wrap:anywhere}}
.days h2{{font-size:15px;font-weight:500;margin:18px 0 4px}}
.days li{{list-style:none;margin:2px 0}}
.days small{{color:var(--quiet)}}
"""
