"""What a plan must know and no file of the pipeline says before a download: data/reference/sizes.yaml.

Each value is typed by hand with the place where it can be looked up, or with what makes it an assumption.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from cocktail.config import Backend, ConfigSection, FetchConfig, ModelConfig
from cocktail.config.yaml_files import read_yaml
from cocktail.errors import DataError

SIZES = Path("data/reference/sizes.yaml")
Split = Literal["train", "dev", "test"]
Origin = Annotated[str, Field(min_length=10)]
Amount = Annotated[float, Field(gt=0)]


class SourceSize(ConfigSection):
    """Raw rows of a source by split (None: ``fetch.world`` says), and how long its rows are."""

    backend: Backend
    source: str
    rows: dict[Split, Annotated[int, Field(ge=0)]] | None
    rows_from: Origin
    characters: Amount  # mean of instruction + input + answer
    characters_from: Origin


class ModelSize(ConfigSection):
    """Parameters of a model of the Hub, and whether it is given only to accounts that asked for access."""

    repo: str
    parameters: Annotated[int, Field(gt=0)]
    gated: bool
    origin: Origin


class Gpu(ConfigSection):
    """The GPU that hours are counted on."""

    name: str
    peak_teraflops: Amount  # dense, in the precision of training
    memory_gigabytes: Amount
    origin: Origin


class Assumption(ConfigSection):
    """A number that is no measurement, with the sentence that is printed with the plan."""

    value: Amount
    says: Origin


class Assumptions(ConfigSection):
    characters_a_token: Assumption
    training_utilisation: Assumption
    answering_utilisation: Assumption
    answer_bytes: Assumption
    checkpoints: Assumption


class Sizes(ConfigSection):
    """All of sizes.yaml."""

    sources: list[SourceSize]
    models: list[ModelSize]
    gpu: Gpu
    assumptions: Assumptions

    def source(self, name: str, fetch: FetchConfig) -> SourceSize:
        """Return the size of a source as it comes from its backend; counts of its own go first.

        Raises:
            DataError: nobody has typed it yet.
        """
        counts, backend = fetch.sources[name].counts, fetch.backend_of(name)
        if counts is not None:
            origin = f"counted: fetch.sources.{name}.counts"
            return SourceSize(
                backend=backend,
                source=name,
                rows=dict(counts.rows),
                rows_from=origin,
                characters=counts.characters,
                characters_from=origin,
            )
        found = next((one for one in self.sources if (one.source, one.backend) == (name, backend)), None)
        if found is None:
            raise DataError(
                f"no size is known of source {name!r} from backend {backend}",
                where=str(SIZES),
                fix="add its rows and characters with their origin; or dvc repro prepare, and plan again",
            )
        return found

    def model(self, model: ModelConfig) -> ModelSize:
        """Return what is known of a model of the Hub.

        Raises:
            DataError: nobody has typed it yet.
        """
        found = next((one for one in self.models if one.repo == model.repo), None)
        if found is None:
            raise DataError(
                f"no size is known of model {model.repo}",
                where=str(SIZES),
                fix="add its parameters with their origin under models",
            )
        return found


def read_sizes(path: Path) -> Sizes:
    """Read sizes.yaml.

    Raises:
        ConfigError: the file is missing, or is not YAML.
        DataError: a value is missing, or its origin.
    """
    found = read_yaml(path, missing="the sizes that a plan needs are missing")
    try:
        return Sizes.model_validate(found)
    except ValidationError as error:
        raise DataError(
            f"not the sizes of a plan ({' '.join(str(error).split())})", where=str(path)
        ) from None


def raw_rows(size: SourceSize, fetch: FetchConfig) -> dict[Split, int]:
    """Return a source's raw rows by split; of generated data from ``fetch.world``.

    Raises:
        DataError: ``fetch.world`` has no row count of a file that the source has.
    """
    if size.rows is not None:
        return dict(size.rows)
    splits: list[Split] = list(dict.fromkeys(file.split for file in fetch.sources[size.source].files))
    missing = [split for split in splits if f"{size.source}_{split}" not in fetch.world]
    if missing:
        raise DataError(
            f"fetch.world has no {size.source}_{missing[0]}", where="conf/catalogue", fix="say how many rows"
        )
    return {split: fetch.world[f"{size.source}_{split}"] for split in splits}


def scratch_parameters(model: ModelConfig) -> int:
    """Return the parameters of a model from scratch: tied embedding, attention, gated MLP, norms."""
    hidden, layers = model.hidden or 0, model.layers or 0
    layer = 4 * hidden * hidden + 3 * hidden * (model.feed_forward or 0) + 2 * hidden
    return (model.vocabulary or 0) * hidden + layers * layer + hidden


def parameters_of(model: ModelConfig, sizes: Sizes) -> int:
    """Return the parameters of a model; 0 for an endpoint, whose parameters are not known."""
    if model.pretrained:
        return sizes.model(model).parameters
    return scratch_parameters(model) if model.kind == "scratch" else 0
