"""Readers of mp.weixin.qq.com's pages: bytes in, values out; no I/O, no clock."""

from crawler.parse.page import read_page

PARSER_VERSION = 4  # stored with every reading; raise it when a reading of the same bytes may change

__all__ = ["PARSER_VERSION", "read_page"]
