"""The base of every record in params.yaml, and common field types."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Temperature = Annotated[float, Field(ge=0, le=2)]
# Part of a file name and a shell command, so no character may be special to either.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Address = Annotated[str, Field(pattern=r"^https?://[^\s/]")]


class Record(BaseModel):
    """A section of params.yaml: no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
