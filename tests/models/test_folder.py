"""A model in a folder, in the Hub's layout: its safetensors and tokenizer are taken, its code is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hub_layout import KEPT, contents, make, refused, write_model
from tiny_gguf import write_gguf
from tiny_model import ITEMS, STOP, tiny_tokenizer

from cocktail.data.prompts import render_prompts
from cocktail.errors import RunError, SourceError
from cocktail.files.records import read_json, write_json
from cocktail.runs.plan import check_base
from cocktail.training.device import load_model, load_tokenizer

TRAP = """
from pathlib import Path
Path({!r}).write_text("the code of a model was run")
from transformers import LlamaConfig as TrapConfig, LlamaForCausalLM as TrapModel
from transformers import PreTrainedTokenizerFast as TrapTokenizer
"""

Change = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "models" / "tiny")


def test_a_folder_becomes_a_base_that_can_be_used(folder: Path, tmp_path: Path) -> None:
    out = make(tmp_path / "out", path=str(folder), licence="MIT")
    assert contents(out).keys() == KEPT
    check_base(out)
    receipt = read_json(out / "base.json")
    assert (receipt["kind"], receipt["licence"]) == ("folder", "MIT")
    assert receipt["architectures"] == ["Phi3ForCausalLM"]
    assert receipt["tokens"] | {"chat_template": None} == {
        "stop": STOP,
        "ends": [STOP],
        "pad": "<|pad|>",
        "adds_bos": False,
        "chat_template": None,
    }
    ours, theirs = load_model(out, bf16=False), load_model(folder, bf16=False)
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.state_dict().items())
    tokenizer = load_tokenizer(out)
    assert read_json(out / "config.json")["pad_token_id"] == tokenizer.pad_token_id
    own = tiny_tokenizer()
    assert render_prompts(tokenizer, ITEMS, max_length=99) == render_prompts(own, ITEMS, max_length=99)


def test_a_model_is_found_by_its_name_in_the_folder_of_all_models(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_path = make(tmp_path / "by_path", path=str(folder))
    monkeypatch.setenv("COCKTAIL_MODELS", str(folder.parent))
    assert contents(make(tmp_path / "by_name")) == contents(by_path)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert contents(make(tmp_path / "at_home", path="~/tiny")) == contents(by_path)
    folder.rename(folder.with_name("other"))
    file = write_gguf(folder.with_name("tiny.gguf"))
    receipt = read_json(make(tmp_path / "gguf", stop_token="<|im_end|>") / "base.json")
    assert receipt["gguf"]["name"] == "Tiny" and file.exists()


def test_a_model_that_is_not_there_is_an_error_that_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COCKTAIL_MODELS", raising=False)
    error = refused(tmp_path / "one")
    assert isinstance(error, SourceError) and error.where == "models.tiny"
    assert "COCKTAIL_MODELS" in error.fix
    error = refused(tmp_path / "two", path=str(tmp_path / "none"))
    assert isinstance(error, SourceError) and error.where == str(tmp_path / "none")
    monkeypatch.setenv("COCKTAIL_MODELS", str(tmp_path))
    error = refused(tmp_path / "three")
    assert error.where == f"{tmp_path / 'tiny'} or {tmp_path / 'tiny.gguf'}"


def remove(*names: str) -> Change:
    return lambda folder: [(folder / name).unlink() for name in names]


def write(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text)


def cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


INDEX = json.dumps({"metadata": {}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}})
DAMAGES: dict[str, tuple[Change, str]] = {
    "only a pickle": (remove("model.safetensors"), "no safetensors"),
    "no config": (remove("config.json"), "no config.json"),
    "broken config": (write("config.json", '{"model_type": '), "config"),
    "no tokenizer": (remove("tokenizer.json", "tokenizer_config.json"), "no tokenizer can be read"),
    "broken tokenizer": (write("tokenizer.json", '{"version": '), "no tokenizer can be read"),
    "other tokenizer": (write("tokenizer.json", '{"version": "1.0"}'), "no tokenizer can be read"),
    "no settings": (write("tokenizer_config.json", "[1]"), "no tokenizer can be read"),
    "cut short": (cut_weights, "not readable as safetensors"),
    "missing part": (write("model.safetensors.index.json", INDEX), "missing"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_folder_that_is_no_whole_model_is_refused(kind: str, folder: Path, tmp_path: Path) -> None:
    change, said = DAMAGES[kind]
    change(folder)
    error = refused(tmp_path / "out", path=str(folder))
    assert isinstance(error, SourceError) and said in error.what
    assert error.where.startswith(str(folder))


def test_a_folder_without_a_template_needs_one_in_the_configuration(folder: Path, tmp_path: Path) -> None:
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    assert isinstance(refused(tmp_path / "one", path=str(folder)), RunError)
    out = make(tmp_path / "two", path=str(folder), chat_template=template)
    assert read_json(out / "base.json")["tokens"]["chat_template"]["own"] is False


def test_the_code_of_a_model_is_neither_run_nor_kept(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (folder / "trap.py").write_text(TRAP.format(str(trace)))
    maps = {
        "AutoConfig": "trap.TrapConfig",
        "AutoModelForCausalLM": "trap.TrapModel",
        "AutoTokenizer": [None, "trap.TrapTokenizer"],
    }
    settings = {name: read_json(folder / name) for name in ("config.json", "tokenizer_config.json")}
    for name, own in settings.items():
        write_json(folder / name, {**own, "auto_map": maps})
    out = make(tmp_path / "out", path=str(folder))
    load_model(out, bf16=False)
    load_tokenizer(out)
    assert contents(out).keys() == KEPT
    assert not trace.exists()
    unknown = {"model_type": "trap", "tokenizer_class": "TrapTokenizer", "auto_map": maps}
    for name, own in settings.items():
        write_json(folder / name, {**own, **unknown})
    error = refused(tmp_path / "unknown", path=str(folder))
    assert isinstance(error, SourceError) and "custom code" in error.what
    assert not trace.exists()
