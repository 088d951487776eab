"""What all sections of params.yaml share: strictness, number types, names with a meaning of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SHARED_OUT_TASKS = ("orca_math", "open_orca")  # their rows are a share of G, not a cap
GENERAL = "general"  # the group of tasks that are evaluated and not trained on
FILLER = "filler"

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
Backend = Literal["hub", "mirror", "synthetic", "folder"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MixtureKind = Literal["single", "pair", "without", "all"]
# What a verdict of the study is about: the paper's own models and data; others that stand for them; or models
# made from scratch and generated data, which show that the method works and nothing more.
Tier = Literal["paper", "proxy", "miniature"]


def _inside(path: str) -> str:
    """Refuse a path that could leave the folder it is joined to, or be taken for an option."""
    parts = path.split("/")
    if any(not part or part[0] in ".-" for part in parts) or not path.isprintable() or "\\" in path:
        raise ValueError(
            f"{path!r} must be a path within a folder, such as data/train.jsonl: no part of it is empty or "
            "begins with a dot or a dash"
        )
    return path


# A name becomes a file, a folder, a part of a stage's name and a word of a command.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
RelativePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_inside)]


class ConfigSection(BaseModel):
    """Base of all sections: no unknown key, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True)
class LockState:
    """Whether a study is locked; if not, why; and its lock, if it has one: digest, commit and day."""

    state: Literal["locked", "not locked"] = "not locked"
    reason: str = "no lock"
    digest: str = ""
    commit: str = ""
    date: str = ""
