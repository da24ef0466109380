"""What the environment says to the daemon and the workers."""

from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from crawler.media.settings import SettingError

DEFAULT_METRICS_HOST = "127.0.0.1"

_EXPECTED = {
    "egress": "a name was expected: letters, digits, dots and dashes",
    "metrics": "a port or host:port was expected: 9108 or 0.0.0.0:9108",
}


class SchedulerSettings(BaseSettings):
    """MPARCHIVE_EGRESS names the line to the outside that this machine uses; MPARCHIVE_METRICS is host:port.

    All that share an address on the internet share a line, and are challenged together. So without a name all
    are taken to share one: too polite at worst.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    egress: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    metrics: str | None = Field(default=None, pattern=r"^([A-Za-z0-9.-]+:|\[[0-9a-fA-F:]+\]:)?[0-9]{1,5}$")

    @classmethod
    def read(cls) -> Self:
        """What the environment says; raises SettingError."""
        try:
            return cls()
        except ValidationError as error:
            (wrong, *_) = error.errors()
            name, expected = str(wrong["loc"][0]), _EXPECTED.get(str(wrong["loc"][0]), wrong["msg"])
            raise SettingError(f"MPARCHIVE_{name.upper()} is {wrong['input']!r}; {expected}") from None

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """Host and port; on loopback unless a host is named. None: no metrics."""
        if self.metrics is None:
            return None
        host, _, port = self.metrics.rpartition(":")
        return host.strip("[]") or DEFAULT_METRICS_HOST, int(port)
