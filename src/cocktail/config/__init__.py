"""The configuration: params.yaml as frozen typed objects, and its composition from conf/."""

from cocktail.config.base import (
    FILLER,
    FINANCE_TASKS,
    GENERAL_TASKS,
    SHARED_OUT_TASKS,
    Digest,
    MixtureKind,
    Positive,
    Section,
    Tier,
    task_names,
)
from cocktail.config.models import ModelConfig, PretrainConfig, WeightsPackage
from cocktail.config.params import RENAMED, Params, check_params, load_params, params_schema, record_name
from cocktail.config.study import FetchConfig, PrepareConfig, RawFile, SourceConfig, StudyConfig
from cocktail.config.training import AnswerConfig, EndpointConfig

__all__ = [
    "FILLER",
    "FINANCE_TASKS",
    "GENERAL_TASKS",
    "RENAMED",
    "SHARED_OUT_TASKS",
    "AnswerConfig",
    "Digest",
    "EndpointConfig",
    "FetchConfig",
    "MixtureKind",
    "ModelConfig",
    "Params",
    "Positive",
    "PrepareConfig",
    "PretrainConfig",
    "RawFile",
    "Section",
    "SourceConfig",
    "StudyConfig",
    "Tier",
    "WeightsPackage",
    "check_params",
    "load_params",
    "params_schema",
    "record_name",
    "task_names",
]
