"""A stand-in of mp.weixin.qq.com for loopback: invented posts, all kinds and outcomes, faults on demand."""

from tests.standin.child import Standin

__all__ = ["Standin"]
