"""The archive for programs: read-only JSON under /api/v1."""

from web.api.routes import API, api_router

__all__ = ["API", "api_router"]
