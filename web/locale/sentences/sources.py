"""What sources of posts say of themselves, and what to do about it: crawler.discovery."""

SOURCES: dict[str, str] = {
    # what to do in each state
    "look in a browser whether it still lists posts; if it moved, change the configuration": (
        "请在浏览器中查看它是否仍列出文章；如果地址已变，请修改配置"
    ),
    "WeChat lets nobody list this account this way any more, so waiting does not help; "
    "take own_backend out for it and use albums, feeds or the account's own login": (
        "微信已不再允许任何人这样列出该公众号的文章，等待没有用；"
        "请为它去掉 own_backend，改用合集、订阅源或该公众号自己的登录"
    ),
    "sign in at mp.weixin.qq.com again and put the new cookie and token where the configuration says": (
        "请重新登录 mp.weixin.qq.com，并把新的 cookie 和 token 放到配置所指的位置"
    ),
    "cookie and token are of different logins; copy both anew from one browser session": (
        "cookie 与 token 不属于同一次登录；请从同一个浏览器会话中重新复制两者"
    ),
    "put right what is named, then look with `mparchive discover` whether it is good": (
        "请改正所指出的问题，然后用 `mparchive discover` 查看是否已恢复正常"
    ),
    "it is asked again later by itself; if this lasts for a day, ask it less often": (
        "稍后会自动再次询问；如果持续一整天，请降低询问频率"
    ),
    "everything for this line waits by itself; if this lasts for a day, use another line": (
        "这条线路上的请求都会自动等待；如果持续一整天，请换一条线路"
    ),
    "look whether the server runs and can be reached from here": ("请检查该服务器是否在运行、从本机能否连接"),
    "open the address in a browser: it may have moved, or its form has changed": (
        "请在浏览器中打开该地址：可能已迁移，或格式已改变"
    ),
    "it lists another account; correct the configuration": "它列出的是其他公众号；请改正配置",
    "complete the configuration": "请补全配置",
    # no answer
    "no answer within {seconds:number} s": "{seconds} 秒内没有应答",
    "its answer is over {size:number} MB": "应答超过 {size} MB",
    "its host is not known": "找不到该主机",
    "its server refuses connections": "服务器拒绝连接",
    "its answer ended in the middle": "应答中途断开",
    "the connection failed ({error})": "连接失败（{error}）",
    "its answer is damaged: {why:sentence}": "应答已损坏：{why}",
    "not asked: {host} asked another source for verification": ("未询问：{host} 已要求另一个来源进行验证"),
    "not asked: the run was stopped": "未询问：运行已停止",
    # an answer that is none
    "it wants a login or a key (401)": "需要登录或密钥（401）",
    "it refuses (403)": "拒绝访问（403）",
    "there is nothing at this address (404)": "该地址没有内容（404）",
    "it says this is gone for good (410)": "称内容已永久移除（410）",
    "it was asked too often ({code:number})": "询问过于频繁（{code}）",
    "it asks for verification instead of answering": "要求验证，没有给出应答",
    "it asks for verification": "要求验证",
    "its server is in trouble (status {status:number})": "服务器出错（状态码 {status}）",
    "it refuses (status {status:number})": "拒绝访问（状态码 {status}）",
    "it sends to the login page": "跳转到了登录页",
    "it says that nothing has changed, and never said what there is (304)": (
        "它说没有变化（304），却从未给出过内容"
    ),
    "it has moved to {address}; write that address": "已迁移到 {address}；请改写为该地址",
    "a login page came instead of a list": "返回的是登录页，而不是列表",
    "a web page came instead of a list": "返回的是网页，而不是列表",
    "no JSON object came but {size:number} bytes of something else": (
        "返回的不是 JSON 对象，而是 {size} 字节的其他内容"
    ),
    "an answer without {name:key}": "应答中缺少 {name}",
    "it wanted to ask more than {most:number} times": "需要的请求超过 {most} 次",
    "entry {number:number} could not be read ({error})": "第 {number} 条无法解析（{error}）",
    "something it lists could not be stored: {why}": "其列出的内容有无法保存的：{why}",
    "reading its answer failed ({error}); please report this with the log": (
        "解析应答时出错（{error}）；请连同日志一起报告"
    ),
    # albums
    "the album lists no posts": "合集没有列出文章",
    "the album cannot be listed (ret {ret:number}); look whether its id is right": (
        "合集无法列出（ret {ret}）；请检查其编号是否正确"
    ),
    "the album is longer than one try; the rest follows at the next.": (
        "合集较长，一次未能列完，其余下次继续"
    ),
    # feeds
    "the feed has no entries": "订阅源没有条目",
    "none of its {count:number} entries leads to a post of WeChat's": ("其 {count} 个条目都没有指向微信文章"),
    "a feed of {size:number} bytes; at most {most:number} are read": (
        "订阅源有 {size} 字节；最多读取 {most} 字节"
    ),
    "no feed came but {size:number} bytes of something else": (
        "返回的不是订阅源，而是 {size} 字节的其他内容"
    ),
    "reading the feed failed; it may be made to harm": "读取订阅源失败；其内容可能是恶意构造的",
    "reading the feed took over {seconds:number} s of processor time; it may be made to harm": (
        "读取订阅源占用处理器超过 {seconds} 秒；其内容可能是恶意构造的"
    ),
    "the feed cannot be read": "无法读取该订阅源",
    "JSON that is no JSON Feed": "返回的 JSON 不是 JSON Feed",
    # the account's own login
    "no login is given": "没有提供登录信息",
    "the back-end lists no posts": "后台没有列出文章",
    "the login has expired (200003)": "登录已过期（200003）",
    "the token does not belong to the cookie (200040)": "token 与 cookie 不匹配（200040）",
    "the arguments are refused (200002): the login is a mini-program's, or the account has switched off "
    "being found by its name": ("参数被拒绝（200002）：登录属于小程序，或该公众号关闭了按名称被搜索到"),
    "the back-end no longer lists other accounts than the login's own (200013)": (
        "后台只列出登录者自己的公众号，不再列出其他公众号（200013）"
    ),
    "the login is older than logins last and will end any moment; sign in again now.": (
        "登录已超过通常的有效期，随时会失效，请立即重新登录"
    ),
    "the login ends in about {hours:number} h; sign in again and put the new cookie and token in place.": (
        "登录约 {hours} 小时后失效，请重新登录并换上新的 cookie 和 token"
    ),
    'the login has no {name:key}; write {{"cookie": …, "token": …}}, or one line for each': (
        '登录信息缺少 {name}；请写成 {{"cookie": …, "token": …}}，或每项一行'
    ),
    'the login has no cookie and no token; write {{"cookie": …, "token": …}}, or one line for each': (
        '登录信息缺少 cookie 和 token；请写成 {{"cookie": …, "token": …}}，或每项一行'
    ),
    "the token of the login is no number; copy what stands after token= in the address": (
        "登录的 token 不是数字；请复制地址中 token= 后面的内容"
    ),
    "the cookie of the login holds a line break or another character no cookie has": (
        "登录的 cookie 中有换行或其他不应出现的字符"
    ),
    "`ends` of the login is no date and time like 2026-11-28T09:00+08:00": (
        "登录的 `ends` 不是形如 2026-11-28T09:00+08:00 的日期时间"
    ),
    # WeChat's interface for operators
    "no secret is given": "没有提供密钥",
    "the interface lists no published posts": "接口没有列出已发布的文章",
    "the AppSecret is not that of this AppID, or no longer (40001)": (
        "AppSecret 与该 AppID 不符，或已失效（40001）"
    ),
    "the grant type is not known (40002)": "不支持的凭证类型（40002）",
    "there is no such AppID (40013)": "没有这个 AppID（40013）",
    "the AppSecret is wrong (40125); it may have been reset": "AppSecret 错误（40125）；可能已被重置",
    "this machine's address is not in the account's IP white list (40164); add it under {menu}": (
        "本机 IP 不在该公众号的 IP 白名单中（40164）；请在“{menu}”中添加"
    ),
    "the AppSecret is frozen (40243); unfreeze it in the account's settings": (
        "AppSecret 已被冻结（40243）；请在公众号设置中解冻"
    ),
    "the access token ran out at once (42001); look whether another program resets it": (
        "access token 立即失效（42001）；请检查是否有其他程序在刷新它"
    ),
    "the account has no right to this interface (48001): only verified accounts do; use own_backend": (
        "该公众号无权使用此接口（48001）：仅限已认证的公众号；请改用 own_backend"
    ),
    "the account is frozen (50007)": "该公众号已被冻结（50007）",
    "the day's calls are used up (45009)": "当日调用次数已用完（45009）",
    "the account's administrator has to confirm this machine's address (89503)": (
        "须由该公众号的管理员确认本机 IP（89503）"
    ),
    "WeChat's system is busy (-1)": "微信系统繁忙（-1）",
    # lists and neighbours
    "the file holds no address of a post": "文件中没有文章链接",
    "no address of a post in line {lines:list} of the file.": "文件第 {lines} 行没有文章链接",
    "no address of a post in line {lines:list} and {more:number} more of the file.": (
        "文件第 {lines} 行及另外 {more} 行没有文章链接"
    ),
    "no post of the account is archived yet": "尚未存档该公众号的任何文章",
    "its posts are in albums that are not listed: {albums:list} (see albums, follow_albums)": (
        "其文章所在的这些合集未被列出：{albums}（见 albums、follow_albums）"
    ),
    "the account's digests list posts that are not archived: {titles}.": (
        "该公众号的周报列出了尚未存档的文章：{titles}"
    ),
    "the account's digests list posts that are not archived: {titles} and {more:number} more.": (
        "该公众号的周报列出了尚未存档的文章：{titles} 等，另有 {more} 篇"
    ),
    # what is believed of a list
    "{foreign:number} of {all:number} posts are another account's": "{all} 篇中有 {foreign} 篇属于其他公众号",
    "none of what it lists can be a post of the account": "所列内容都不可能是该公众号的文章",
    "1 post of another account left out.": "已略去其他公众号的 1 篇文章",
    "{count:number} posts of another account left out.": "已略去其他公众号的 {count} 篇文章",
    "1 post with a date in the future left out.": "已略去日期在未来的 1 篇文章",
    "{count:number} posts with a date in the future left out.": "已略去日期在未来的 {count} 篇文章",
    "1 address of no post left out.": "已略去 1 个不是文章的链接",
    "{count:number} addresses of no post left out.": "已略去 {count} 个不是文章的链接",
    "1 post beyond the first {most:number} left out.": "已略去前 {most} 篇之后的 1 篇文章",
    "{count:number} posts beyond the first {most:number} left out.": (
        "已略去前 {most} 篇之后的 {count} 篇文章"
    ),
}
