"""Readers of mp.weixin.qq.com's pages: bytes in, values out; no I/O, no clock."""
