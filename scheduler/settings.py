"""Settings of the daemon and the workers, from the environment."""

from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from archive.domain.messages import Message
from crawler.media.settings import SettingError

DEFAULT_METRICS_HOST = "127.0.0.1"


class SchedulerSettings(BaseSettings):
    """MPARCHIVE_EGRESS names the egress that this machine uses; MPARCHIVE_METRICS is a port or host:port.

    All machines that share an address on the internet share an egress, and are challenged together. So
    without a name all are taken to share one: too polite at worst.
    """

    model_config = SettingsConfigDict(env_prefix="MPARCHIVE_", env_ignore_empty=True, frozen=True)

    egress: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    metrics: str | None = Field(default=None, pattern=r"^([A-Za-z0-9.-]+:|\[[0-9a-fA-F:]+\]:)?[0-9]{1,5}$")

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises SettingError."""
        try:
            return cls()
        except ValidationError as error:
            (wrong, *_) = error.errors()
            name = str(wrong["loc"][0])
            raise SettingError(
                "scheduler.settings.refused",
                variable=f"MPARCHIVE_{name.upper()}",
                value=repr(wrong["input"]),
                expected=Message(f"scheduler.settings.expected.{name}"),
            ) from None

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """Return host and port, on loopback unless a host is named; None: no metrics."""
        if self.metrics is None:
            return None
        host, _, port = self.metrics.rpartition(":")
        return host.strip("[]") or DEFAULT_METRICS_HOST, int(port)
