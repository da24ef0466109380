"""Mistakes in mparchive.toml and in the files that it names: scheduler.config, crawler.discovery.account."""

CONFIGURATION: dict[str, str] = {
    "{file:file}, line {line:number}: {words:sentence}": "{file} 第 {line} 行：{words}",
    "{file:file}, line {line:number}: {words:sentence} (and {more:number} more)": (
        "{file} 第 {line} 行：{words}（另有 {more} 处）"
    ),
    "{key:key}: {words:whole}": "{key}：{words}",
    # what is no TOML
    "it is not UTF-8; save the file as UTF-8": "不是 UTF-8 编码；请将文件存为 UTF-8",
    "it is not TOML; {hint:sentence}": "不是有效的 TOML；{hint}",
    "it is not TOML at column {column:number}; {hint:sentence}": "第 {column} 列不是有效的 TOML；{hint}",
    'a line is key = "value", a [table] or a # comment': '每行应为 键 = "值"、[表] 或 # 注释',
    "a text ends with the quote it begins with, on its own line": ("文本须在同一行内以开头所用的引号结束"),
    'text stands in straight quotes: "…"; numbers, true and false without': (
        '文本须用英文直引号："…"；数字、true 和 false 不加引号'
    ),
    "the key stands there twice": "该键重复出现",
    "a list ends with ]": "列表须以 ] 结束",
    "a text ends with a quote on its own line": "文本须在同一行内以引号结束",
    "the file ends too soon: a bracket, brace or quote is not closed": (
        "文件过早结束：有方括号、花括号或引号没有闭合"
    ),
    # what was expected
    "it is missing": "缺少此项",
    'text was expected: "…"': '应为文本："…"',
    "a whole number was expected, without quotes": "应为整数，不加引号",
    "true or false was expected, without quotes": "应为 true 或 false，不加引号",
    'a list was expected: ["…", "…"]': '应为列表：["…", "…"]',
    'the name of a file was expected: "…"': '应为文件名："…"',
    "a table was expected": "应为表",
    "tables were expected, each under [[accounts]] with two brackets": (
        "应为若干个表，各自写在双层方括号的 [[accounts]] 之下"
    ),
    "a folder of its own was expected: all files in it are taken in and moved": (
        "应为专用的文件夹：其中的所有文件都会被收录并移走"
    ),
    "some text was expected": "文本不能为空",
    "at least {least:number} was expected": "不能小于 {least}",
    "at most {most:number} was expected": "不能大于 {most}",
    "at most {most:number} characters were expected": "不能超过 {most} 个字符",
    "at most {most:number} entries were expected": "不能超过 {most} 项",
    "an AppID was expected: wx and 16 hex digits": "应为 AppID：wx 加 16 位十六进制数字",
    "the name of an environment variable was expected: BACKEND_LOGIN": ("应为环境变量名，例如 BACKEND_LOGIN"),
    "shortest_minutes <= default_minutes <= longest_minutes was expected": (
        "应满足 shortest_minutes <= default_minutes <= longest_minutes"
    ),
    "there is no account; a table [[accounts]] with biz and name was expected": (
        "没有公众号；应有含 biz 和 name 的 [[accounts]] 表"
    ),
    "{name:short} has the same; give an account one [[accounts]]": (
        "与 {name} 的相同；每个公众号只能有一个 [[accounts]]"
    ),
    "there is no such key; did you mean {near}?": "没有这个键；是否指 {near}？",
    "there is no such key; known here: {known:list}": "没有这个键；此处可用：{known}",
    "one of {first:key} and {second:key} was expected": "{first} 与 {second} 应有且只有一个",
    "a secret does not belong into this file; name where it stands with {names:sentence}": (
        "密钥不应写在此文件中；请用 {names} 指明它的位置"
    ),
    "{first:key} or {second:key}": "{first} 或 {second}",
    '{given:quoted} are no hours; "23:00-07:00" was expected': '{given} 不是时段；应形如 "23:00-07:00"',
    "{given:quoted} begins when it ends; leave quiet_hours out to have none": (
        "{given} 的起止时间相同；不需要时段时请去掉 quiet_hours"
    ),
    '{given:quoted} is no address to listen at; "127.0.0.1:8788" was expected': (
        '{given} 不是监听地址；应形如 "127.0.0.1:8788"'
    ),
    "{given:quoted} is no __biz; it stands in every long address of the account: __biz=MzA…==": (
        "{given} 不是 __biz；它在该公众号的每个长链接中：__biz=MzA…=="
    ),
    "{given:quoted} lost its end; {whole} was expected": "{given} 缺了结尾；应为 {whole}",
    "{given:quoted} is neither an album's number nor its address "
    "(https://mp.weixin.qq.com/mp/appmsgalbum?…album_id=…)": (
        "{given} 既不是合集编号，也不是合集地址（https://mp.weixin.qq.com/mp/appmsgalbum?…album_id=…）"
    ),
    "{given:quoted} is no address; https://… was expected": "{given} 不是地址；应形如 https://…",
    "{given:quoted} holds a secret, which does not belong into this file; write {{env:VARIABLE}} or "
    "{{file:/path}} in its place": (
        "{given} 含有密钥，密钥不应写在此文件中；请改写为 {{env:变量名}} 或 {{file:/路径}}"
    ),
    "{given:quoted} is no regular expression: {why}": "{given} 不是正则表达式：{why}",
    # files and variables
    "{file:file} cannot be read: {why:sentence}": "无法读取 {file}：{why}",
    "{file:file} can be read or changed by other users; chmod 600 {path}": (
        "其他用户可以读取或修改 {file}；请运行 chmod 600 {path}"
    ),
    "no such file or directory": "文件或目录不存在",
    "permission denied": "权限不足",
    "is a directory": "这是一个目录",
    "{file:file} has over {most:number} bytes; {hint:sentence}": "{file} 超过 {most} 字节；{hint}",
    "no configuration has": "配置文件不会这么大",
    "no secret has": "密钥不会这么大",
    "split it": "请拆分它",
    "{file:file} is empty": "{file} 是空的",
    "the environment variable {name} is not set": "没有设置环境变量 {name}",
    "the environment variable {name} is empty": "环境变量 {name} 是空的",
}
