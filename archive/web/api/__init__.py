"""The archive for programs: read-only JSON under /api/v1."""

from archive.web.api.router import API, api_router

__all__ = ["API", "api_router"]
