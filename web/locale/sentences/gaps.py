"""What is missing, how that is known and what fills it: archive.gaps."""

GAPS: dict[str, str] = {
    # what is missing
    "album {album}": "合集 {album}",
    "{first:time} to {last:time}": "{first} 至 {last}",
    "capture {number:number}": "抓取记录 {number}",
    # addresses
    "`mparchive audit --fill` fetches it": "`mparchive audit --fill` 会抓取它",
    "this link works no more; `mparchive backfill` another address of the post": (
        "此链接已失效；请用 `mparchive backfill` 补录该文章的另一个链接"
    ),
    "`mparchive audit --fill` asks once more; what stays so is of a new sort: report it": (
        "`mparchive audit --fill` 会再请求一次；如果结果不变，则属于新的类型：请报告"
    ),
    "have Chromium installed, then `mparchive audit --fill`": (
        "请安装 Chromium，然后运行 `mparchive audit --fill`"
    ),
    "seen in {sources} on {day:time}; {state:sentence}": "{day} 见于 {sources}；{state}",
    "noted without a source; {state:sentence}": "已登记，没有来源；{state}",
    "the link has expired": "链接已过期",
    "never asked": "从未请求",
    "given up after {tries:number} tries: {reason:sentence}": "尝试 {tries} 次后放弃：{reason}",
    "due, after {tries:number} tries: {reason:sentence}": "待抓取，已尝试 {tries} 次：{reason}",
    "asked again {when:time}, after {tries:number} tries: {reason:sentence}": (
        "将于 {when} 再次请求，已尝试 {tries} 次：{reason}"
    ),
    "{outcome:name} ({reason:sentence})": "{outcome}（{reason}）",
    # places of a push
    "places {known:list} of push {mid:number} are known, {place:number} is not": (
        "推送 {mid} 中已知的位次有 {known}，缺第 {place} 位"
    ),
    "`mparchive audit --fill` asks the account's sources anew": (
        "`mparchive audit --fill` 会重新询问该公众号的各来源"
    ),
    "give the account a source in mparchive.toml, or `mparchive backfill` the post's address": (
        "请在 mparchive.toml 中为该公众号配置来源，或用 `mparchive backfill` 补录该文章的链接"
    ),
    # links and albums
    "{post} lead there ({relations:list}); no address of it was ever taken up": (
        "{post} 有链接指向它（{relations}）；其链接从未收录"
    ),
    "{post} and {more:number} more lead there ({relations:list}); no address of it was ever taken up": (
        "{post} 及另外 {more} 篇有链接指向它（{relations}）；其链接从未收录"
    ),
    "its pages say that it has {size:number} posts; {posts:number} archived ones are known to be in it": (
        "网页称该合集共有 {size} 篇文章；已存档且已知属于它的有 {posts} 篇"
    ),
    '`mparchive audit --fill` lists it; albums = ["{album}"] in mparchive.toml has it watched': (
        '`mparchive audit --fill` 会列出它；在 mparchive.toml 中写入 albums = ["{album}"] 即可持续关注'
    ),
    # titles of digests
    "listed by {post} ({title})": "{post}（{title}）中列出",
    "`mparchive audit --fill` looks for it in the account's sources": (
        "`mparchive audit --fill` 会在该公众号的各来源中查找它"
    ),
    "an address listed by this title is among those that are mentioned: "
    "`mparchive audit --fill` fetches it": (
        "以此标题列出的链接已在“被提及而未存档的文章”之中：`mparchive audit --fill` 会抓取它"
    ),
    # silences
    "1 day without a post; days with posts otherwise: {usual:list} (chance of such a silence: {chance})": (
        "1 天没有文章；平时有发文的比例：{usual}（出现这种停更的概率：{chance}）"
    ),
    "{days:number} days without a post; days with posts otherwise: {usual:list} "
    "(chance of such a silence: {chance})": (
        "{days} 天没有文章；平时有发文的比例：{usual}（出现这种停更的概率：{chance}）"
    ),
    "{weekday:name} {share:number}%": "{weekday} {share}%",
    "a public holiday may explain it; else look there, and `mparchive backfill` what is found": (
        "可能是法定节假日；否则请到该公众号中查看，并用 `mparchive backfill` 补录所找到的文章"
    ),
    # pages and images
    "taken over from a {source:sentence}; {state:sentence}": "取自{source}；{state}",
    "{lacking:number} of its {shown:number} images are not kept: {told:list}": (
        "{shown} 张图片中有 {lacking} 张未存档：{told}"
    ),
    "{count:number} never asked": "{count} 张从未请求",
    "{count:number} refused": "{count} 张被拒绝",
    "{count:number} failed": "{count} 张下载失败",
    "{count:number} expired": "{count} 张链接已过期",
    "`mparchive audit --fill` asks for them": "`mparchive audit --fill` 会请求这些图片",
    "their addresses work no more; `mparchive backfill --again {url}` may give new ones": (
        "图片链接已失效；`mparchive backfill --again {url}` 也许能得到新的链接"
    ),
    "the answer of {url} was kept and not read": "{url} 的返回已保存，但尚未解析",
    "`mparchive audit --fill` has it read, as does any crawl": (
        "`mparchive audit --fill` 会解析它，任何一次抓取也会"
    ),
}
