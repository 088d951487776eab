"""The configuration: params.yaml, read once and strictly into frozen typed objects.

An unknown key, a wrong type or a broken rule between fields is an error, and all errors are shown at
once. Every number a study may change stands in params.yaml (composed from conf/ by Hydra), so the
studies smoke, tiny and paper differ in data and numbers only, never in code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator

from cocktail.config.base import SHARED_OUT_TASKS, ConfigSection, Name
from cocktail.config.models import ModelConfig
from cocktail.config.study import FetchConfig, MixConfig, PrepareConfig, SourceConfig, StudyConfig
from cocktail.config.training import (
    AnswerConfig,
    CompareConfig,
    EndpointConfig,
    ExecuteConfig,
    JudgeConfig,
    ScoreConfig,
    TrainConfig,
    TuneConfig,
)
from cocktail.config.yaml_files import read_yaml, with_catalogue
from cocktail.errors import ConfigError, near

# Names of the version before, taken with a warning until the next one.
RENAMED = {
    "fetch.way": "backend",
    "judge.way": "backend",
    "train.accumulation": "gradient_accumulation_steps",
    "train.clip": "max_grad_norm",
    "train.overlong": "truncation",
}


class Params(ConfigSection):
    """All of params.yaml."""

    study: StudyConfig
    fetch: FetchConfig
    prepare: PrepareConfig
    mix: MixConfig
    models: dict[Name, ModelConfig]
    train: TrainConfig
    tune: TuneConfig
    answer: AnswerConfig
    execute: ExecuteConfig
    endpoint: EndpointConfig
    score: ScoreConfig
    judge: JudgeConfig
    compare: CompareConfig

    @model_validator(mode="after")
    def _sections_agree(self) -> Params:
        problems = [
            f"study.tasks names {task!r}, which fetch.sources lacks"
            for task in (*self.study.tasks, *self.study.evaluations)
            if task not in self.fetch.sources
        ]
        if self.prepare.filler_from not in self.fetch.sources:
            problems.append(f"prepare.filler_from: fetch.sources lacks {self.prepare.filler_from!r}")
        if self.mix.caps:  # none at all: every source gives all its rows, on purpose
            free = [t for t in self.study.tasks if t not in (*self.mix.caps, *SHARED_OUT_TASKS)]
            problems += [
                f"mix.caps lacks {task!r}, which would give all its rows to every mixture it is in: say how "
                f"many, as mix.caps.{task}: 500 (on the command line +mix.caps.{task}=500)"
                for task in free
            ]
        virtual = self.train.prompt_tuning.virtual_tokens if self.train.method == "prompt_tuning" else 0
        longest = self.train.max_length
        problems += [
            f"models.{name}.context ({model.context}) is smaller than train.max_length ({longest})"
            + (f" and the learned prompt ({virtual})" if virtual else "")
            for name, model in self.models.items()
            if model.context < longest + virtual
        ]
        several = self.execute.gpus_per_run
        if self.train.batch_size % several:
            problems.append(
                f"train.batch_size {self.train.batch_size} is no multiple of execute.gpus_per_run {several}"
            )
        if several > 1 and self.train.method not in ("full", "lora"):
            problems.append(f"method {self.train.method} trains on one GPU; set execute.gpus_per_run: 1")
        if several > 1 and self.train.evaluate:
            problems.append("train.evaluate answers dev on one GPU; set execute.gpus_per_run: 1")
        if self.execute.engine != "local" and self.execute.accept == "same_type":
            problems.append(
                "execute.accept same_type compares with the CPU or GPU of this machine, which with "
                f"execute.engine {self.execute.engine} does no run; set execute.accept: any"
            )
        if problems:
            raise ValueError("; ".join(dict.fromkeys(problems)))
        return self

    def sources(self) -> dict[str, SourceConfig]:
        """Return the sources that are fetched and prepared: all, or those that the study uses."""
        study, filler = self.study, self.prepare.filler_from
        used = {*study.tasks, *study.evaluations, filler}
        keep_all = self.fetch.unused is None
        return {name: source for name, source in self.fetch.sources.items() if keep_all or name in used}

    def model(self, name: str) -> ModelConfig:
        """Return the model called ``name``.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.models:
            raise ConfigError([f"models: no model {name!r}{near(name, self.models)}"], where="params.yaml")
        return self.models[name]


def record_name(params: Params) -> str:
    """Return the name of a study's record and lock: the study, with its method if not full."""
    study, method = params.study.name, params.train.method
    return study if method == "full" else f"{study}-{method}"


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        ConfigError: the file is missing, is not YAML, or breaks rules; lists all broken rules at once.
    """
    raw = read_yaml(path, missing="the file is missing; make params STUDY=tiny writes it")
    return check_params(raw, where=str(path), root=path.parent)


def check_params(raw: Any, *, where: str, root: Path = Path()) -> Params:
    """Check an already parsed configuration of the project in ``root``; see :func:`load_params`."""
    raw = with_catalogue(_with_new_names(raw, where=where), root)
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ConfigError([_line(dict(item), raw) for item in error.errors()], where=where) from None


def _with_new_names(raw: Any, *, where: str) -> Any:
    """Rename keys that an earlier version knew by another name, and say so on stderr."""
    if not isinstance(raw, dict):
        return raw
    renamed = dict(raw)
    for old, new in RENAMED.items():
        section, key = old.split(".")
        if isinstance(renamed.get(section), dict) and key in renamed[section]:
            given = dict(renamed[section])
            value = given.pop(key)
            given.setdefault(new, "synthetic" if value == "embedded" else value)
            renamed[section] = given
            print(f"{where}: {old} is called {section}.{new} now; cocktail params writes it", file=sys.stderr)
    return renamed


def _line(item: dict[str, Any], raw: Any) -> str:
    """One problem in words: dotted key, what is wrong, what was found, the nearest known name."""
    location = [str(part) for part in item["loc"]]
    key = ".".join(location) or "params"
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key{near(location[-1], _known_keys(location[:-1], raw))}"
    if item["type"] == "missing":
        return f"{key}: missing"
    message = item["msg"].removeprefix("Value error, ")
    return (
        f"{key}: {message}" if item["type"] == "value_error" else f"{key}: {message}, got {item['input']!r}"
    )


def _known_keys(location: list[str], raw: Any) -> list[str]:
    """The keys a section knows, found by walking the models along ``location``."""
    model: Any = Params
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        annotation = field.annotation if field else model
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return list(getattr(model, "model_fields", raw if isinstance(raw, dict) else {}))
