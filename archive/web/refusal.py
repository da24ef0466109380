"""What the inbox does not take, and its words for it: one sentence, in English and in Chinese."""

from archive.web.settings import SHORTEST

MAX_BODY = 64 * 1024  # bytes; a text with a hundred addresses has 30,000
MAX_ADDRESSES = 100
MOST, WINDOW = 60, 60  # posts in so many seconds
MOST_UNSIGNED = 64  # bodies received at once that come without the token in a header
MOST_OF_ONE = 8  # of them from one client; a phone sends one
BODY_SECONDS = 10  # for the whole body


class Refusal(Exception):
    """An answer other than 200. `wait`: seconds until it is worth another try."""

    def __init__(self, status: int, english: str, chinese: str, wait: int = 0):
        super().__init__(english)
        self.status, self.english, self.chinese, self.wait = status, english, chinese, wait


def no_address() -> Refusal:
    """Nothing in it leads to a post."""
    return Refusal(
        400,
        "there is no address of a post in it; send one such as https://mp.weixin.qq.com/s/…",
        "其中没有文章链接；请发送形如 https://mp.weixin.qq.com/s/… 的链接。",
    )


def not_readable(why: str) -> Refusal:
    """The body is not what its type says."""
    return Refusal(400, f"the body cannot be read: {why}", "无法读取发送的内容。")


def wrong_token() -> Refusal:
    """No token, or another."""
    return Refusal(
        401,
        "the token is missing or wrong; send `Authorization: Bearer …`, or a field `token`",
        "口令缺失或不正确。",
    )


def no_token_set() -> Refusal:
    """Whoever runs the archive has not opened the inbox."""
    return Refusal(
        403,
        f"the inbox is closed: set MPARCHIVE_INBOX_TOKEN or MPARCHIVE_INBOX_TOKEN_FILE (at least {SHORTEST} "
        "characters) and start `mparchive serve` again",
        "收件箱未开启：请设置 MPARCHIVE_INBOX_TOKEN 或 MPARCHIVE_INBOX_TOKEN_FILE"
        f"（至少 {SHORTEST} 个字符），然后重新启动 mparchive serve。",
    )


def too_slow() -> Refusal:
    """The body did not come."""
    return Refusal(
        408, f"the body did not arrive within {BODY_SECONDS} s; send it again", "内容未能及时送达，请重试。"
    )


def too_long() -> Refusal:
    """Too many bytes."""
    return Refusal(
        413,
        f"the body has over {MAX_BODY} bytes; send its addresses alone, or use `mparchive backfill`",
        "内容过长；请只发送链接，或使用 mparchive backfill。",
    )


def too_many() -> Refusal:
    """Too many addresses."""
    return Refusal(
        413,
        f"it holds over {MAX_ADDRESSES} addresses; send fewer at a time, or use `mparchive backfill`",
        f"一次最多 {MAX_ADDRESSES} 个链接；请分批发送，或使用 mparchive backfill。",
    )


def unknown_type() -> Refusal:
    """A body of a type that is not read."""
    return Refusal(
        415,
        "the Content-Type must be application/json, application/x-www-form-urlencoded or text/plain",
        "内容类型必须是 application/json、application/x-www-form-urlencoded 或 text/plain。",
    )


def too_often(wait: int) -> Refusal:
    """More than a person sends."""
    return Refusal(
        429,
        f"at most {MOST} posts a minute; wait {wait} s",
        f"每分钟最多 {MOST} 次；请等待 {wait} 秒。",
        wait,
    )


def too_many_at_once(wait: int = BODY_SECONDS) -> Refusal:
    """Others are still sending."""
    return Refusal(
        503,
        f"too many send at once; wait {wait} s, or send the token as `Authorization: Bearer …`",
        f"同时发送的人过多；请等待 {wait} 秒，或在 Authorization: Bearer 请求头中提供口令。",
        wait,
    )


def database_away(wait: int = 10) -> Refusal:
    """What was sent could not be kept."""
    return Refusal(
        503,
        "the database does not answer; nothing was filed, try again",
        "数据库没有应答，未收下；请稍后重试。",
        wait,
    )
