"""Why an answer is no post: crawler.parse, crawler.answer and others that fetch and read."""

READINGS: dict[str, str] = {
    "the answer is empty": "返回为空",
    "the answer has {size:number} bytes, more than {most:number}": "返回有 {size} 字节，超过 {most}",
    "the answer is JSON, not a page": "返回的是 JSON，不是网页",
    "most of its characters are in an encoding that it does not tell": "多数字符使用了页面未说明的编码",
    "the page has {tags:sentence}; no post has": "网页的标签数{tags}，不会是文章",
    "more than {most:number} tags": "超过 {most}",
    "the page has {size:number} characters of markup; no post has": (
        "网页的标记有 {size} 个字符，不会是文章"
    ),
    "the server asks for verification": "服务器要求验证",
    "the page ends before </html>: only half of it was received": "网页在 </html> 之前结束：只收到一部分",
    "a post of a type this version does not know": "此版本不认识的文章类型",
    "a {kind:sentence} post without a body in the served page": "{kind} 类型的文章，返回的网页中没有正文",
    "a post's page that does not name its account": "文章网页没有写明公众号",
    "the page does not say which post it is; give its address": "网页没有写明是哪篇文章；请给出其链接",
    "a page of the template {template}, not a post": "模板为 {template} 的网页，不是文章",
    "a page of {tags:number} tags and no post": "有 {tags} 个标签的网页，不是文章",
    "the page shows no words and holds no post": "网页没有文字，也不是文章",
    "this page could not be read: {why}": "无法解析此网页：{why}",
    "this page could not be read: the process that read it died": "无法解析此网页：解析进程意外退出",
    "reading this page killed the process that read it": "解析此网页时进程崩溃",  # stored by earlier versions
    "the connection ended before the end of the page": "网页未传完连接就断开了",
    "content encoding {encoding} was not asked for": "返回了未请求的内容编码 {encoding}",
    "an answer of {size:number} bytes, at most {most:number} are taken": (
        "返回有 {size} 字节，最多接收 {most} 字节"
    ),
    "gzip is broken ({error})": "gzip 数据已损坏（{error}）",
    "an answer of more than {most:number} bytes when unpacked": "解压后超过 {most} 字节",
    "gzip ends in the middle": "gzip 数据不完整",
}
