"""What all sections of params.yaml share: strictness, number types, names of tasks."""

from __future__ import annotations

import pkgutil
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

FINANCE_TASKS = ("headline", "fpb", "fin_ner_cls", "finqa", "convfinqa", "twitter_topics", "twitter_sa")
SHARED_OUT_TASKS = ("orca_math", "open_orca")  # their rows are a share of G, not a cap
GENERAL_TASKS = ("financebench", "knowledge", "gsm8k")
FILLER = "filler"

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
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


def task_names(*, but: tuple[str, ...] = ()) -> list[str]:
    """Return the names of all tasks: the modules of ``cocktail.tasks``, found but not imported."""
    spec = find_spec("cocktail.tasks")
    folders = spec.submodule_search_locations if spec else None
    names = (
        {module.name for module in pkgutil.iter_modules(folders) if not module.ispkg} if folders else set()
    )
    return sorted(names - {"base", *but})


class Section(BaseModel):
    """Base of all sections: no unknown key, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
