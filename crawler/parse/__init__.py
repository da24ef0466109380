"""The parser of mp.weixin.qq.com's pages: bytes in, values out; no I/O, no clock."""

from crawler.parse.page import read_page

PARSER_VERSION = 7  # stored with every parse result; raise it when the result for the same bytes may change

__all__ = ["PARSER_VERSION", "read_page"]
