"""Section ``models`` of params.yaml: base models, whichever door they come in by."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cocktail.config.base import ConfigSection, Count, Digest, Positive, Rate, RelativePath


class PretrainConfig(ConfigSection):
    """From-scratch models: pretraining on text, then an instruction phase on tasks outside the study."""

    seed: int
    text_tokens: Positive
    repeat_tokens: Count = 0  # read before the text: short random lists, each said over and over
    instruction_rows: Positive
    block: Positive  # tokens of one pretraining sequence
    batch_size: Positive  # sequences a step
    learning_rate: Rate
    instruction_learning_rate: Rate
    instruction_epochs: Rate
    threads: Positive


class WeightsPackage(ConfigSection):
    """One Python package that carries a model's weights, or a part of them, as one file of its wheel."""

    name: Annotated[str, Field(pattern=r"^[[:alnum:]]([[:alnum:]._-]*[[:alnum:]])?$")]
    version: Annotated[str, Field(pattern=r"^[[:alnum:]][[:alnum:].+!_]*$")]
    file: RelativePath  # its path within the wheel
    bytes: Positive  # of the file: not one more is read
    sha256: Digest


class ModelConfig(ConfigSection):
    """One base model: from scratch, from the Hub, from packages, from a folder, or behind an endpoint.

    All but the endpoint become one folder in the Hub's layout (:mod:`cocktail.training.bases`).
    """

    kind: Literal["scratch", "hub", "package", "folder", "endpoint"]
    reference: bool = False  # larger and untuned: what small tuned models are held against
    architecture: Literal["phi3", "llama"] | None = None
    repo: RelativePath | None = None  # its name on the Hub, also where it comes from elsewhere
    revision: RelativePath | None = None
    packages: list[WeightsPackage] = []  # their files are joined in this order
    path: str | None = None  # a folder in the Hub's layout, or a .gguf file; None: <name> in COCKTAIL_MODELS
    # Of the .gguf file, joined, or of a shipped base; None: not known, the receipt says it.
    sha256: Digest | None = None
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
            "scratch": "stop_token architecture vocabulary hidden layers heads feed_forward pretrain",
            "hub": "stop_token repo",
            "package": "stop_token packages sha256 licence",
            "folder": "stop_token",
            "endpoint": "served",
        }[self.kind]
        missing = [name for name in needs.split() if not getattr(self, name)]
        if missing:
            raise ValueError(f"a model of kind {self.kind} needs {', '.join(missing)}")
        named = [(package.name, package.file) for package in self.packages]
        if len(set(named)) < len(named):
            raise ValueError("packages names a part twice")
        return self
