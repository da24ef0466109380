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
    # the gate
    "at most {most:number} requests a minute; wait {wait:number} s": (
        "每分钟最多 {most} 次请求；请等待 {wait} 秒"
    ),
    "this archive is not served by that name; if it should be, add it to MPARCHIVE_SERVED_HOSTS": (
        "不以该主机名提供访问；如需启用，请将其加入 MPARCHIVE_SERVED_HOSTS"
    ),
    "too many ask at once; try again in a minute": "同时请求过多；请一分钟后再试",
    "give the token as the password, with any user name, or as `Authorization: Bearer`": (
        "请将口令作为密码输入（用户名任意），或使用 `Authorization: Bearer`"
    ),
    # parameters
    "{name:short}: this parameter is missing": "{name}：缺少此参数",
    "{name:short}: give a day as YYYY-MM-DD": "{name}：请按 YYYY-MM-DD 给出日期",
    "{name:short}: give a whole number": "{name}：请给出整数",
    "{name:short}: give {least:number} or more": "{name}：不得小于 {least}",
    "{name:short}: give {most:number} or less": "{name}：不得大于 {most}",
    "{name:short}: give less than {bound:short}": "{name}：必须小于 {bound}",
    "{name:short}: give at most {most:number} characters": "{name}：最多 {most} 个字符",
    "{name:short}: give one of the form {form:short}": "{name}：格式应为 {form}",
    "{name:short}: give one of {choices:short}": "{name}：应为下列之一：{choices}",
    # damage
    "capture {number:number}: {what:sentence}": "抓取记录 {number}：{what}",
    "its reference, capture {number:number}: {what:sentence}": "其参照（抓取记录 {number}）：{what}",
    "its reference, capture {number:number}, is missing": "其参照（抓取记录 {number}）缺失",
    "the body does not have the hash it was stored with": "内容与存入时的哈希不符",
    "the body is stored as {encoding} and has {how_many} reference": (
        "内容的存储方式 {encoding} 与其参照（{how_many}）不相符"
    ),
    "the body is stored as {encoding}, which this version does not know": (
        "本版本不认识内容的存储方式 {encoding}"
    ),
    "the body cannot be unpacked ({why})": "内容无法解压（{why}）",
    "{path} in the media folder does not have the hash it was stored with": (
        "媒体文件夹中的 {path} 与存入时的哈希不符"
    ),
    "{path} in the media folder cannot be read ({why})": "无法读取媒体文件夹中的 {path}（{why}）",
    "cannot read the media folder {folder} ({why}); check MPARCHIVE_MEDIA": (
        "无法读取媒体文件夹 {folder}（{why}）；请检查 MPARCHIVE_MEDIA"
    ),
}
