"""The configuration: params.yaml as frozen typed objects, and its composition from conf/."""

from cocktail.config.base import (
    FILLER,
    SHARED_OUT_TASKS,
    Backend,
    ConfigSection,
    Digest,
    LockState,
    MixtureKind,
    Positive,
    Tier,
)
from cocktail.config.models import ModelConfig, PretrainConfig, WeightsPackage
from cocktail.config.params import RENAMED, Params, check_params, load_params, record_name
from cocktail.config.study import FetchConfig, PrepareConfig, RawFile, SourceConfig, StudyConfig
from cocktail.config.tasks import evaluated_tasks, general_tasks, mixable_tasks, task_names
from cocktail.config.training import AnswerConfig, EndpointConfig, EvaluateConfig, ExecuteConfig, SlurmConfig

__all__ = [
    "FILLER",
    "RENAMED",
    "SHARED_OUT_TASKS",
    "AnswerConfig",
    "Backend",
    "ConfigSection",
    "Digest",
    "EndpointConfig",
    "EvaluateConfig",
    "ExecuteConfig",
    "FetchConfig",
    "LockState",
    "MixtureKind",
    "ModelConfig",
    "Params",
    "Positive",
    "PrepareConfig",
    "PretrainConfig",
    "RawFile",
    "SlurmConfig",
    "SourceConfig",
    "StudyConfig",
    "Tier",
    "WeightsPackage",
    "check_params",
    "evaluated_tasks",
    "general_tasks",
    "load_params",
    "mixable_tasks",
    "record_name",
    "task_names",
]
