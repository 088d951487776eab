"""A wrong configuration is refused as a whole, with every problem named.

Sources stand in a catalogue; params.yaml names it and says what is otherwise.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from cocktail.config import RENAMED, check_params, load_params
from cocktail.config.compose import compose
from cocktail.config.yaml_files import with_catalogue
from cocktail.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    return dict(with_catalogue(compose(ROOT / "conf", "tiny"), ROOT))


def problems(raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        check_params(raw, where="params.yaml")
    return "\n".join(caught.value.problems)


def test_all_problems_are_shown_at_once_with_near_names(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    raw["train"]["learning_rat"] = 1.0
    raw["train"]["learning_rate"] = "2e-4"  # PyYAML reads 2e-4 as a string
    raw["study"]["tasks"][0] = "headlin"
    raw["prepare"]["leakage"] = "maybe"
    del raw["mix"]["math_share"]
    found = problems(raw)
    assert "train.learning_rat: unknown key; did you mean 'learning_rate'?" in found
    assert "train.learning_rate: Input should be a valid number, got '2e-4'" in found
    assert "unknown task 'headlin'; did you mean 'headline'?" in found
    assert "prepare.leakage" in found
    assert "mix.math_share: missing" in found


@pytest.mark.parametrize(
    ("study", "tier"),
    [("smoke", "miniature"), ("tiny", "miniature"), ("untuned", "proxy"), ("paper", "paper")],
)
def test_each_study_has_its_tier(study: str, tier: str) -> None:
    assert check_params(compose(ROOT / "conf", study), where=study).study.tier == tier


def test_there_are_three_tiers_and_the_least_is_the_default(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    del raw["study"]["tier"]
    assert check_params(raw, where="params.yaml").study.tier == "miniature"
    raw["study"]["tier"] = "real"
    assert "study.tier: Input should be 'paper', 'proxy' or 'miniature', got 'real'" in problems(raw)


def test_confirmation_needs_fresh_seeds(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    raw["study"]["confirm_seeds"] = [42, 7, 7]
    raw["study"]["confirm_also"] = ["all", "all"]
    assert "names a mixture twice" in problems(raw)
    assert "contains the grid's seed 42" in problems(raw)
    assert "names a seed twice" in problems(raw)


def test_what_is_matched_has_a_name(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    raw["study"]["confirm_matched"] = ["chosen", "without_orca_maths"]
    assert "'without_orca_maths' is neither chosen, all nor without_TASK; did you mean" in problems(raw)


def test_a_target_must_be_a_finance_task_of_the_study(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    raw["study"]["targets"] = ["orca_math"]
    assert "target 'orca_math'" in problems(raw)


def test_methods_say_what_they_cannot_do(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    raw["train"] |= {"method": "prompt_tuning", "packing": True}
    assert "packing: false" in problems(raw)
    raw["train"] |= {"packing": False, "max_length": 500}
    assert "the learned prompt (16)" in problems(raw)
    raw["train"] |= {"method": "qlora", "max_length": 256}
    assert "precision: bf16" in problems(raw)


def test_sections_must_agree(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    del raw["fetch"]["sources"]["fpb"]
    raw["train"]["max_length"] = 100_000
    found = problems(raw)
    assert "fetch.sources lacks" in found
    assert "smaller than train.max_length (100000)" in found


def test_a_model_must_have_the_fields_of_its_kind(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    raw["models"]["phi3_tiny"]["hidden"] = None
    assert "models.phi3_tiny: a model of kind scratch needs hidden" in problems(raw)


def test_an_unknown_model_is_named_with_its_nearest(tiny: dict[str, Any]) -> None:
    params = check_params(tiny, where="params.yaml")
    assert params.model("phi3_tiny").kind == "scratch"
    with pytest.raises(ConfigError, match="no model 'phi_tiny'; did you mean 'phi3_tiny'"):
        params.model("phi_tiny")


def test_old_names_are_taken_with_a_warning(tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    old = copy.deepcopy(tiny)
    for key, new in RENAMED.items():
        section, name = key.split(".")
        old[section][name] = old[section].pop(new)
    old["fetch"]["way"] = "embedded"
    assert check_params(old, where="params.yaml") == check_params(tiny, where="params.yaml")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(RENAMED)
    assert "params.yaml: train.clip is called train.max_grad_norm now; cocktail params writes it" in said


def test_a_missing_or_broken_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the file is missing"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("study: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- a list\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_params(tmp_path / "params.yaml")


def test_a_run_on_several_gpus_can_share_its_batches(tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    raw["execute"]["gpus_per_run"] = 3
    assert "train.batch_size 8 is no multiple of execute.gpus_per_run 3" in problems(raw)
    raw["execute"]["gpus_per_run"] = 4
    check_params(raw, where="params.yaml")
    raw["train"]["method"] = "prompt_tuning"
    assert "trains on one GPU" in problems(raw)


PLACES = {  # where a name or a path of params is joined to a folder, or enters a command
    "fetch.sources.": lambda raw, bad: raw["fetch"]["sources"].update({bad: raw["fetch"]["sources"]["fpb"]}),
    "models.": lambda raw, bad: raw["models"].update({bad: next(iter(raw["models"].values()))}),
    "study.name": lambda raw, bad: raw["study"].update(name=bad),
}
PATHS = {
    "path": lambda source, bad: source["files"][0].update(path=bad),
    "remote": lambda source, bad: source["files"][0].update(remote=bad),
    "repo": lambda source, bad: source.update(repo=bad),
    "revision": lambda source, bad: source.update(revision=bad),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "bad",
    ["..", "../..", "a/b", "/etc", "", ".hidden", "-rf", "x; touch pwned", "$(id)", "a b", "a\nb", "\0", "é"],
)
def test_a_name_is_a_name_and_nothing_else(place: str, bad: str, tiny: dict[str, Any]) -> None:
    """A source named `../..` once deleted a project, and a model's name ran as shell."""
    raw = copy.deepcopy(tiny)
    PLACES[place](raw, bad)
    assert f"{place}{bad if place.endswith('.') else ''}" in problems(raw)


@pytest.mark.parametrize("field", PATHS)
@pytest.mark.parametrize(
    "bad",
    ["..", "../../x", "a/../../x", "/etc/passwd", "a//b", "./a", "-x", "a/.git/config", "a\\b", "a\0b", ""],
)
def test_a_path_stays_within_its_folder(field: str, bad: str, tiny: dict[str, Any]) -> None:
    raw = copy.deepcopy(tiny)
    PATHS[field](raw["fetch"]["sources"]["fpb"], bad)
    assert f"fetch.sources.fpb.{'files.0.' if field in ('path', 'remote') else ''}{field}" in problems(raw)


@pytest.mark.slow
def test_the_names_and_paths_of_every_study_pass(tiny: dict[str, Any]) -> None:
    for study in sorted((ROOT / "conf/study").glob("*.yaml")):
        for source in ("hub", "mirror", "synthetic"):
            composed = compose(ROOT / "conf", study.stem, [f"source={source}"])
            assert check_params(composed, where=study.stem).study.name == study.stem


FPB = {"repo": "someone/fpb", "licence": "MIT", "files": [{"path": "a.csv", "split": "train"}]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "conf/catalogue"
    folder.mkdir(parents=True)
    (folder / "here.yaml").write_text(yaml.safe_dump({"sources": {"fpb": FPB}, "world": {"seed": 7}}))
    return tmp_path


def read(root: Path, **fetch: Any) -> Any:
    return with_catalogue({"fetch": {"backend": "mirror", "catalogue": "here", **fetch}}, root)["fetch"]


def test_the_entries_take_the_place_of_the_name(root: Path) -> None:
    assert read(root) == {"backend": "mirror", "sources": {"fpb": FPB}, "world": {"seed": 7}}


def test_what_params_say_of_a_source_wins_and_another_one_is_added(root: Path) -> None:
    said = {"fpb": {"revision": "abc", "files": []}, "mine": {"repo": "me/mine"}}
    found = read(root, sources=said, world={"seed": 8})
    assert found["sources"]["fpb"] == {**FPB, "revision": "abc", "files": []}
    assert found["sources"]["mine"] == {"repo": "me/mine"}
    assert found["world"] == {"seed": 8}


def test_without_a_name_everything_stands_in_params() -> None:
    raw = {"fetch": {"backend": "mirror", "sources": {"fpb": FPB}}}
    assert with_catalogue(raw, Path("nowhere")) == raw


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hree", "no catalogue 'hree'; did you mean 'here'?"),
        ("../sources/here", "no catalogue '../sources/here'"),
    ],
)
def test_a_name_that_is_not_there_is_refused(root: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(root, catalogue=name)
    assert says in caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [("sources: [", "not YAML"), ("- fpb\n", "has the keys"), ("backend: hub\n", "has the keys")],
)
def test_a_file_that_is_no_catalogue_is_refused(root: Path, text: str, says: str) -> None:
    (root / "conf/catalogue/here.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(root)
    assert says in caught.value.problems[0]
