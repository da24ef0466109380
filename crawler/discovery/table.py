"""What every table of the configuration has in common: no unknown key, no secret, whole file names."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Strict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

FOLDER = "folder"  # key of the validation context: the folder that relative file names start from
Number = Annotated[int, Strict()]  # "5" and true are no numbers
Switch = Annotated[bool, Strict()]
_SECRETS = frozenset(
    ("appsecret", "cookie", "cookies", "credentials", "key", "passwd", "password", "secret", "token", "urls")
)


def mistake(words: str, *place: str | int) -> PydanticCustomError:
    """To raise in a validator: what is wrong with a key of the table, told where the key stands."""
    return PydanticCustomError("mistake", "{words}", {"words": words, "place": list(place)})


class Table(BaseModel):
    """A table of the configuration file, checked; a mistake is a pydantic ValidationError."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, value: Any) -> Any:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                raise mistake(cls._unknown(key), key)
        return value

    @classmethod
    def _unknown(cls, key: str) -> str:
        known = list(cls.model_fields)
        outside = [name for name in known if name.endswith(("_file", "_env"))]
        if key.lower() in _SECRETS and outside:
            return (
                f"a secret does not belong into this file; name where it stands with {' or '.join(outside)}"
            )
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"there is no such key; {hint}"


def _absolute(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get(FOLDER)
    path = path.expanduser()
    return Path(folder) / path if folder is not None else path


FileName = Annotated[Path, AfterValidator(_absolute)]
