"""params.yaml is the Hydra composition of the study that it names, and every study composes and checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cocktail.config import Params, check_params
from cocktail.config.compose import compose, differences, known_studies, write_params
from cocktail.config.yaml_files import with_catalogue
from cocktail.data.grid import explore_runs
from cocktail.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"


def test_params_are_the_composition_of_their_study(tmp_path: Path) -> None:
    # The staged file, not the one in the work tree: a variant (dvc exp run -S …) may stand there.
    staged = subprocess.run(["git", "show", ":params.yaml"], cwd=ROOT, capture_output=True, check=True).stdout
    study = yaml.safe_load(staged)["study"]["name"]
    write_params(tmp_path / "params.yaml", compose(CONF, study))
    assert staged == (tmp_path / "params.yaml").read_bytes(), f"run: make params STUDY={study}"
    assert len(staged.splitlines()) <= 150


def test_dvc_composes_the_same_bytes(tmp_path: Path) -> None:
    """With the plugin that .dvc/config names: plain lists on a line, as ``cocktail params`` writes them."""
    ours, theirs = tmp_path / "ours.yaml", tmp_path / "theirs.yaml"
    write_params(ours, compose(CONF, "untuned"))
    called = (str(theirs), str(CONF), None, "config", str(CONF), ["study=untuned"])
    script = f"from dvc.utils.hydra import compose_and_dump; compose_and_dump(*{called!r})"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    assert theirs.read_bytes() == ours.read_bytes()
    assert b"\n  confirm_seeds: []\n" in ours.read_bytes()
    assert b"\n  evaluations: [headline, fpb," in ours.read_bytes()


def test_the_schema_for_editors_is_that_of_the_typed_sections() -> None:
    """Renew it with: cocktail schema."""
    written = json.loads((CONF / "params.schema.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(Params.model_json_schema()))


@pytest.mark.parametrize("study", known_studies(CONF))
def test_every_study_composes_and_passes_the_checks(study: str) -> None:
    params = check_params(compose(CONF, study), where=study)
    assert params.study.name == study
    assert explore_runs(params)[0].id == "base"


def test_the_side_studies_of_proxy_differ_from_it_as_they_say() -> None:
    """So the runs of proxy_larger are those of proxy: no other model and no study's name is in a key."""
    proxy = compose(CONF, "proxy", ["method=lora"])
    larger = differences(compose(CONF, "proxy_larger", ["method=lora"]), proxy)
    changed = {line.partition(":")[0] for line in larger}
    assert changed == {"study.name", "models.gemma3_270m", "models.qwen25_coder_05b"}
    for name, key in (("proxy_twice", "mix.caps"), ("proxy_wording", "prepare.closing")):
        made = compose(CONF, name, ["method=lora"])
        changed = {
            line.partition(":")[0] for line in differences(made, proxy) if not line.startswith("study.")
        }
        assert changed and all(one.startswith(key) for one in changed)
        twice = {task: 2 * rows for task, rows in proxy["mix"]["caps"].items()}
        assert made["mix"]["caps"] == (twice if key == "mix.caps" else proxy["mix"]["caps"])
    full = differences(compose(CONF, "proxy_full", ["method=lora"]), proxy)
    assert all(line.startswith("study.") for line in full)


@pytest.mark.parametrize(
    "override", ["source=mirror", "method=lora", "train.learning_rate=5.0e-4", "model=llama_tiny"]
)
def test_a_variant_composes_and_differs(override: str) -> None:
    variant, tiny = compose(CONF, "tiny", [override]), compose(CONF, "tiny")
    check_params(variant, where=override)
    assert list(differences(variant, tiny))


def test_a_field_that_is_left_out_of_a_file_is_no_difference() -> None:
    """Records and cards compare what was read, with every field, with what was composed or recorded."""
    composed = with_catalogue(compose(CONF, "tiny"), ROOT)
    read = check_params(composed, where="tiny").model_dump()
    assert not [line for line in differences(read, composed) if ".files" in line]
    read["fetch"]["sources"]["fpb"]["files"][1]["path"] = "other.parquet"
    changed = [line for line in differences(read, composed) if ".files" in line]
    assert [line.partition(":")[0] for line in changed] == ["fetch.sources.fpb.files.1.path"]


def test_unknown_study_and_override_are_clear_errors() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tiny'"):
        compose(CONF, "tinny")
    with pytest.raises(ConfigError, match="learning_rat"):
        compose(CONF, "tiny", ["train.learning_rat=1.0"])


def test_what_the_catalogue_holds_is_changed_with_a_plus() -> None:
    with pytest.raises(
        ConfigError, match=r"fetch.sources.fpb: not there yet; \+fetch.sources.fpb.revision=…"
    ):
        compose(CONF, "tiny", ["fetch.sources.fpb.revision=abc"])
    changed = compose(CONF, "tiny", ["+fetch.sources.fpb.revision=abc"])
    source = check_params(changed, where="tiny", root=ROOT).fetch.sources["fpb"]
    assert (source.revision, source.licence) == ("abc", "MIT")
