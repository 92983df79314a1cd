"""What every part of params.yaml has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Temperature = Annotated[float, Field(ge=0, le=2)]
# Part of a file's name and of a command, so nothing that a shell or a path reads otherwise.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Address = Annotated[str, Field(pattern=r"^https?://[^\s/]")]


class Record(BaseModel):
    """A part of params.yaml: no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
