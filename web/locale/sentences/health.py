"""Alarms and why the archive is not ready: scheduler.health, scheduler.work.reporting, archive.readiness."""

HEALTH: dict[str, str] = {
    "{place} has {free:number} MB left": "{place} 仅剩 {free} MB",
    "make room: once the disk is full, nothing more can be kept": (
        "请腾出空间：磁盘写满后将无法再保存任何内容"
    ),
    "{count:number} {work:name} jobs failed in the last hours": "近几小时有 {count} 个任务失败：{work}",
    "look at the daemon's log: it says why, and goes on by itself once that is mended": (
        "请查看守护进程的日志：其中写明了原因，问题排除后会自动继续"
    ),
    "correct the file; until then the daemon goes on with the configuration it has": (
        "请改正该文件；在此之前守护进程沿用现有配置"
    ),
    "nobody can be told of alarms: {why:sentence}": "无法发送报警：{why}",
    "check the addresses of [alarms]": "请检查 [alarms] 中的地址",
    "the inbox {folder:file} cannot be read: {why:sentence}": "无法读取收件箱文件夹 {folder}：{why}",
    "the inbox {folder:file} cannot be written: files are moved within it once they are taken in": (
        "无法写入收件箱文件夹 {folder}：文件收录后要在其中移动"
    ),
    "capture {number:number}: {why:sentence}": "第 {number} 号抓取记录：{why}",
    "the page is kept: report it; `mparchive reparse --all` reads it again with a later version": (
        "网页原件已保存：请附上此原因报告问题；升级后可用 `mparchive reparse --all` 重新解析"
    ),
    "make the folder, and let the daemon's user read and write it; what is put there waits": (
        "请建立该文件夹，并允许守护进程的用户读写；放入其中的文件会等到那时"
    ),
    "{account}: no source works, so new posts go unseen": "{account}：没有可用的来源，无法发现新文章",
    "see what is said of each source, or add one: an album, a feed, the account's own login": (
        "请查看各来源的说明，或增加来源：合集、订阅源、该公众号自己的登录"
    ),
    "{account} has published nothing since {last:time}, longer than ever is usual ({span:sentence})": (
        "{account} 自 {last} 起未发布文章，已超出通常的最长间隔（{span}）"
    ),
    "look at the account in WeChat: if it did publish, its sources miss posts": (
        "请在微信中查看该公众号：如果确有发文，说明各来源有遗漏"
    ),
    "{count:number} days": "{count} 天",
    "{count:number} hours": "{count} 小时",
    "{account}: {source:source} is {state:name}": "{account}：来源 {source} 状态异常：{state}",
    "{account}: {source:source} is {state:name} ({detail:sentence})": (
        "{account}：来源 {source} 状态异常：{state}（{detail}）"
    ),
    "{account}: {source:source} is {state:name}, although it listed posts before": (
        "{account}：来源 {source} 状态异常：{state}，而此前曾列出文章"
    ),
    "{account}: {source:source} is {state:name}, although it listed posts before ({detail:sentence})": (
        "{account}：来源 {source} 状态异常：{state}，而此前曾列出文章（{detail}）"
    ),
    "the server asks for verification (line {line}, {reason:name}, {count:number} in a row); "
    "nothing is fetched before {until:time}": (
        "服务器要求验证（线路 {line}，{reason}，连续第 {count} 次）；{until} 之前不抓取"
    ),
    "nothing needs doing: it goes on by itself; if this lasts for a day, use another line": (
        "无需处理：会自动继续；如果持续一整天，请换一条线路"
    ),
    "the database's schema is {there}, this program's {wanted}; start the newer of the two again": (
        "数据库结构为 {there}，本程序的为 {wanted}；请重新启动两者中较新的程序"
    ),
    "{account}: no source has worked since {last:time} UTC; see `mparchive status`, and whether "
    "`mparchive run` is running": (
        "{account}：自 {last}（UTC）起没有来源成功过；请查看 `mparchive status`，"
        "并确认 `mparchive run` 正在运行"
    ),
    "{account}: no source has worked since it was added; see `mparchive status`, and whether "
    "`mparchive run` is running": (
        "{account}：添加以来没有来源成功过；请查看 `mparchive status`，并确认 `mparchive run` 正在运行"
    ),
    "{words:whole}; {remedy:whole}": "{words}；{remedy}",
}
