"""Why a page cannot be shown as asked: archive.queries, archive.search, archive.stream, archive.web."""

FAILURES: dict[str, str] = {
    "there is no account {biz} in the archive": "存档中没有公众号 {biz}",
    "there is no capture {number}": "没有抓取记录 {number}",
    "there is no post {aid} of {biz} in the archive": "存档中没有 {biz} 的文章 {aid}",
    "{aid} has {count:number} versions, and no version {number}": (
        "{aid} 有 {count} 个版本，没有第 {number} 版"
    ),
    "there are {count:number} versions of this post, and no version {number}": (
        "此文有 {count} 个版本，没有第 {number} 版"
    ),
    "there is no file {sha256} in the archive": "存档中没有文件 {sha256}",
    "{what:sentence}; `mparchive verify` says what else is missing": (
        "{what}；`mparchive verify` 会列出还缺哪些"
    ),
    "{path} is not in the media folder {folder}": "媒体文件夹 {folder} 中没有 {path}",
    "the search has {count:number} characters; give at most {most:number}": (
        "检索词有 {count} 个字符，最多 {most} 个"
    ),
    "the search has more than {most:number} words; give fewer, or put a phrase in quotes": (
        "检索词超过 {most} 个；请减少，或用引号括成词组"
    ),
    "the search only excludes; give also a word that the posts must contain": (
        "只有要排除的词；请再给出文章必须包含的词"
    ),
    "the search is empty; give a word that the posts must contain": ("检索词为空；请给出文章必须包含的词"),
    "a page has 1 to {most:number} hits, not {limit}": "每页 1 至 {most} 条结果，不能是 {limit}",
    "the place to go on from is not one of this search; start at its first page": (
        "续读位置不属于此次检索；请从第一页开始"
    ),
    "that cursor is none of this archive's; begin without one": ("该翻页位置不属于本存档；请从第一页开始"),
    "the database does not answer in time; try again": "数据库未能及时响应；请稍后再试",
}
