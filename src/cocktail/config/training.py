"""Sections of params.yaml about training, answering and scoring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cocktail.config.base import ConfigSection, Count, MixtureKind, Positive, Rate, Share

# They become lines of a shell script that sbatch reads.
SlurmWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:=@+-]{0,199}$")]
SlurmOption = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,49}$")]


class LoraConfig(ConfigSection):
    """LoRA adapter shape."""

    rank: Positive
    alpha: Positive
    dropout: Share
    learning_rate: Rate  # conf/method/lora.yaml makes it train.learning_rate


class PromptTuningConfig(ConfigSection):
    """A learned prompt before every row."""

    virtual_tokens: Positive
    learning_rate: Rate  # conf/method/prompt_tuning.yaml makes it train.learning_rate


class EvaluateConfig(ConfigSection):
    """Dev during a training: answered at so many points, in every run, on the tasks it is trained for."""

    points: Positive  # after equal parts of the run's steps; the last is its end
    keep: Literal["last", "best"] = "last"  # which point's weights the run ends with


class TrainConfig(ConfigSection):
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
    evaluate: EvaluateConfig | None = None

    @model_validator(mode="after")
    def _method_fits(self) -> TrainConfig:
        if self.method == "prompt_tuning" and self.packing:
            raise ValueError("a packed sequence has one learned prompt for many rows; set packing: false")
        if self.method == "qlora" and self.precision != "bf16":
            raise ValueError("qlora computes in bf16 on a 4-bit base; set precision: bf16")
        return self


class TuneConfig(ConfigSection):
    """The tries of tuned singles: try i takes the i-th of the shuffled products of these lists."""

    learning_rate_factors: list[Rate]  # multiples of train.learning_rate, which a method may change
    epochs: list[Rate]
    seeds: list[int]


class AnswerConfig(ConfigSection):
    """Answering: greedy generation."""

    # Untuned models answer once more, with so many solved train examples before each question.
    shots: Count = 0
    # Of each finance test, a fixed sample for explored runs; None: all.
    explored_test_rows: Positive | None = None
    general_test_rows: Positive | None = None  # of each general test, the same for all runs; None: all
    batch_size: Positive
    max_prompt: Positive  # longer prompts have the middle of their input cut, and are counted
    engine: Literal["builtin", "vllm"]


class SlurmConfig(ConfigSection):
    """What jobs ask Slurm for, where execute.engine is slurm."""

    partition: SlurmWord | None = None  # None: the cluster's default; so for account
    account: SlurmWord | None = None
    minutes: Positive = 240  # of one job; a run that needs longer is queued again, and goes on
    runs_per_job: Positive = 1
    gpus: bool = True  # each job asks for execute.gpus_per_run of them; false: for none
    # Further ones of sbatch, as submitit calls them: qos, mem.
    options: dict[SlurmOption, SlurmWord | int] = {}


class ExecuteConfig(ConfigSection):
    """Who does the runs, and the run store."""

    engine: Literal["local", "ray", "slurm"] = "local"  # this machine; a Ray cluster; jobs of Slurm
    slurm: SlurmConfig = SlurmConfig()
    workers: Positive | None = None  # None: one per GPU, else one per CPU core; of a cluster, all there is
    keep_weights: Literal["all", "none"]
    gpus_per_run: Positive  # more than one: a run is trained by as many processes (accelerate)
    checkpoint_minutes: Annotated[float, Field(ge=0.0)]  # from one to the next; 0: every logged step
    # What rows of a step begin with is read once; but for rounding it changes nothing.
    share_prefixes: bool = True
    tree_tokens: Positive | None = None  # of rows that share a beginning; None: by device
    accept: Literal["any", "same_type"] = "any"  # finished runs: made anywhere, or on a CPU or GPU as here
    silence_minutes: Rate = 30.0  # a worker without a sign of life for so long is ended, its run tried again


class ScoreConfig(ConfigSection):
    """Scoring rules that are numbers."""

    relative_tolerance: Annotated[float, Field(ge=0.0)]
    absolute_tolerance: Annotated[float, Field(ge=0.0)]


class EndpointConfig(ConfigSection):
    """Asking an OpenAI-compatible endpoint; its URL and key come from the environment alone."""

    max_tokens: Positive  # of an external model's answer: generous, since many explain before they answer
    concurrency: Positive  # questions under way at a time
    tries: Positive  # of one question, where the server is busy, broken or slow
    timeout_seconds: Rate
    backoff_seconds: Annotated[float, Field(ge=0.0)]  # first pause; each further one is twice as long


class JudgeConfig(ConfigSection):
    """Stage ``judge``: who says whether a free answer is right."""

    backend: Literal["rules", "endpoint"]  # rules: nobody is asked beyond stage ``score``
    model: str | None = None  # the name that the endpoint knows the judge by
    max_tokens: Positive  # of a verdict; one word is asked for

    @model_validator(mode="after")
    def _judge_has_a_name(self) -> JudgeConfig:
        if self.backend == "endpoint" and not self.model:
            raise ValueError("backend endpoint needs a model")
        return self


class CompareConfig(ConfigSection):
    """Intervals."""

    confidence: Annotated[float, Field(gt=0.5, lt=1.0)]
