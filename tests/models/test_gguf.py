"""A GGUF file becomes a folder like the Hub's, with the file's own numbers, or one clear error."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, dequantize
from hub_layout import run_base_stage
from hub_like import CHATML, STOP, byte_level
from tiny_gguf import HEADS, HIDDEN, LAYERS, tensors, write_gguf

from cocktail.config import ModelConfig
from cocktail.data.prompts import Item, render_prompts
from cocktail.errors import CocktailError, RunError, SourceError
from cocktail.files.records import digest_file, digest_text, read_json
from cocktail.files.store import Store
from cocktail.training.bases.make import make_base
from cocktail.training.device import load_model, load_tokenizer

TEXTS = ("sold 412 more,  and 3.5 percent", "Orders fell\n\n at the yard; naïve € <|im_end|>", "rose4by 10")
PATCHED = b"blk.0.attn_q.weight"  # the tensor whose entry in the file's table is changed


def make(file: Path, out: Path, **changes: Any) -> Path:
    out.mkdir()
    config = ModelConfig(kind="folder", path=str(file), stop_token=STOP, context=256, **changes)
    make_base("tiny", config, out=out, store=Store(out.parent / "store"))
    return out


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("file") / "tiny.gguf")


@pytest.fixture(scope="module")
def base(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(file, tmp_path_factory.mktemp("made") / "base")


def test_the_same_file_gives_the_same_bytes_wherever_it_lies(file: Path, base: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.gguf"
    moved.write_bytes(file.read_bytes())
    again = make(moved, tmp_path / "again")
    assert {f.name: f.read_bytes() for f in again.iterdir()} == {
        f.name: f.read_bytes() for f in base.iterdir()
    }


def test_the_receipt_says_what_the_file_is(file: Path, base: Path) -> None:
    receipt = read_json(base / "base.json")
    assert receipt["gguf"] == {
        "architecture": "llama",
        "name": "Tiny",
        "licence": "cc0-1.0",
        "quantisation": {"F32": 1 + 2 * LAYERS, "Q8_0": 1 + 7 * LAYERS},
        "splitting": "smollm",
        "sha256": digest_file(file),
    }
    assert receipt["licence"] == "cc0-1.0"
    assert receipt["architectures"] == ["LlamaForCausalLM"]
    assert receipt["tokens"] == {
        "stop": STOP,
        "ends": [STOP],
        "pad": "<|endoftext|>",
        "adds_bos": False,
        "chat_template": {"own": True, "sha256": digest_text(CHATML)},
    }
    files = {f.name: digest_file(f) for f in base.iterdir() if f.name != "base.json"}
    assert receipt["files"] == files
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= files.keys()


def test_what_the_configuration_says_goes_before_what_the_file_says(file: Path, tmp_path: Path) -> None:
    template = CHATML.replace("assistant", "model")
    out = make(
        file, tmp_path / "out", licence="MIT", chat_template=template, sha256=digest_file(file), origin="us"
    )
    receipt = read_json(out / "base.json")
    assert (receipt["licence"], receipt["gguf"]["licence"], receipt["origin"]) == ("MIT", "cc0-1.0", "us")
    assert receipt["tokens"]["chat_template"] == {"own": False, "sha256": digest_text(template)}
    assert load_tokenizer(out).chat_template == template


@pytest.mark.parametrize("quantised", [True, False])
def test_the_float_weights_are_those_of_the_file(quantised: bool, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", quantised=quantised)
    model = load_model(make(file, tmp_path / "base"), bf16=False)
    held = {t.name: dequantize(t.data, t.tensor_type) for t in GGUFReader(file).tensors}
    names = {"token_embd": "embed_tokens", "output_norm": "norm"}
    parts = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    parts |= {f"attn_{part}": f"self_attn.{part[0]}_proj" for part in ("q", "k", "v", "output")}
    parts |= {f"ffn_{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")}
    names |= {f"blk.{n}.{gguf}": f"layers.{n}.{hub}" for n in range(LAYERS) for gguf, hub in parts.items()}
    found = {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    assert set(found) == {f"model.{name}.weight" for name in names.values()}
    for ours, theirs in names.items():
        expected = held[f"{ours}.weight"]
        if ours.endswith(("attn_q", "attn_k")):  # GGUF rotates neighbours, the Hub halves
            rows = np.arange(HIDDEN).reshape(HEADS, HIDDEN // HEADS // 2, 2).swapaxes(1, 2).reshape(-1)
            expected = expected[rows]
        assert np.array_equal(found[f"model.{theirs}.weight"].numpy(), expected), ours
    exact = tensors(len(held["token_embd.weight"]))["token_embd.weight"]
    assert np.array_equal(held["token_embd.weight"], exact) is not quantised
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_text_is_split_as_the_file_says(base: Path) -> None:
    """The rule `smollm` keeps digits apart; transformers has no such rule and would join them."""
    tokenizer, own = load_tokenizer(base), byte_level()
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids == own.encode(text).ids
        assert tokenizer.decode(ids) == text
    assert tokenizer.tokenize("cut 12 jobs")[-4:] == ["Ġ", "1", "2", "Ġjobs"]


def test_the_pad_token_is_none_that_ends_and_the_model_knows_it(base: Path) -> None:
    """The file names its stop token for padding; the embedding of a model's pad token is never trained."""
    tokenizer, model = load_tokenizer(base), load_model(base, bf16=False)
    stop = tokenizer.convert_tokens_to_ids(STOP)
    assert read_json(base / "config.json")["pad_token_id"] == tokenizer.pad_token_id != stop
    assert model.get_input_embeddings().padding_idx == tokenizer.pad_token_id
    (prompt,) = render_prompts(tokenizer, [Item("t:0", "t", "Add 1.", "", "2")], max_length=99)
    assert prompt.text == "<|im_start|>user\nAdd 1.<|im_end|>\n<|im_start|>assistant\n"
    assert model(torch.tensor([prompt.ids])).logits.isfinite().all()


def refused(file: Path, out: Path, **changes: Any) -> CocktailError:
    with pytest.raises(CocktailError) as caught:
        make(file, out, **changes)
    assert list(out.iterdir()) == []
    return caught.value


@pytest.mark.parametrize("kept", [0, 4, 20, 700, 4000, -40_000, -20_000, -1])
def test_a_truncated_file_is_refused(kept: int, file: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(file.read_bytes()[:kept])
    error = refused(short, tmp_path / "out")
    assert isinstance(error, SourceError) and "truncated" in error.what
    assert error.where == str(short)


def set_type(number: int) -> Callable[[bytes], bytes]:
    def patch(whole: bytes) -> bytes:
        at = whole.index(PATCHED) + len(PATCHED) + 4 + 2 * 8  # after its number of dimensions and two of them
        assert struct.unpack_from("<I", whole, at) == (GGMLQuantizationType.Q8_0,)
        return whole[:at] + struct.pack("<I", number) + whole[at + 4 :]

    return patch


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "magic": (lambda whole: b"GGML" + whole[4:], "not readable as GGUF"),
    "version": (lambda whole: whole[:4] + struct.pack("<I", 99) + whole[8:], "not readable as GGUF"),
    "quantisation": (set_type(99), "a quantisation that is not known"),
    "merges": (lambda whole: whole.replace(b"Orders", b"orders", 1), "its tokenizer cannot be read"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_file_that_is_damaged_is_refused(kind: str, file: Path, tmp_path: Path) -> None:
    damage, said = DAMAGES[kind]
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(damage(file.read_bytes()))
    assert damaged.read_bytes() != file.read_bytes()
    error = refused(damaged, tmp_path / "out")
    assert isinstance(error, SourceError) and said in error.what
    assert error.where == str(damaged)


@pytest.mark.parametrize("name", ["token_embd", "output_norm", "blk.1.ffn_down", "blk.0.attn_q"])
def test_a_file_without_one_of_its_tensors_is_refused(name: str, tmp_path: Path) -> None:
    """Random numbers would take its place."""
    file = write_gguf(tmp_path / "tiny.gguf", left_out=f"{name}.weight")
    error = refused(file, tmp_path / "out")
    assert isinstance(error, SourceError) and "tensors" in error.what


@pytest.mark.parametrize(
    ("name", "shape"),
    [("rope_freqs.weight", (8,)), ("blk.0.attn_q.bias", (32,)), ("blk.2.ffn_up.weight", (64, 32))],
)
def test_a_file_with_a_tensor_that_would_not_be_used_is_refused(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    """Without it the model computes something else (Llama 3.1 keeps the scale of its positions in one)."""
    weights = tensors(byte_level().get_vocab_size()) | {name: np.ones(shape, np.float32)}
    error = refused(write_gguf(tmp_path / "tiny.gguf", weights=weights), tmp_path / "out")
    assert isinstance(error, SourceError) and "tensors" in error.what


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path) -> None:
    weights = tensors(byte_level().get_vocab_size())
    weights["blk.0.ffn_up.weight"] = np.ones((96, 32), np.float32)
    error = refused(write_gguf(tmp_path / "tiny.gguf", weights=weights), tmp_path / "out")
    assert isinstance(error, SourceError) and "weights cannot be read" in error.what


def test_an_unknown_architecture_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    error = refused(write_gguf(tmp_path / "tiny.gguf", architecture="mamba"), tmp_path / "out")
    assert isinstance(error, SourceError) and "'mamba'; known: gemma3, llama, qwen2" in error.what


def test_another_file_than_the_expected_one_is_refused(file: Path, tmp_path: Path) -> None:
    error = refused(file, tmp_path / "out", sha256="0" * 64)
    assert isinstance(error, SourceError) and digest_file(file) in error.what
    assert error.fix == "models.<name>.sha256"


def test_a_file_without_stop_token_or_template_is_refused_before_the_weights_are_read(tmp_path: Path) -> None:
    no_stop = refused(
        write_gguf(tmp_path / "a.gguf", specials=("<|endoftext|>", "<|im_start|>")), tmp_path / "a"
    )
    assert isinstance(no_stop, RunError) and STOP in no_stop.what
    assert (no_stop.where, no_stop.fix) == ("models.tiny", "models.<name>.stop_token")
    no_template = refused(write_gguf(tmp_path / "b.gguf", template=None), tmp_path / "b")
    assert isinstance(no_template, RunError) and "chat template" in no_template.what
    assert no_template.where == "models.tiny"


def test_a_stage_that_gets_a_truncated_file_ends_with_one_message(file: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(file.read_bytes()[:-1])
    done = run_base_stage(tmp_path / "stage", kind="folder", path=str(short), stop_token=STOP, context=256)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and str(short) in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "stage" / "artifacts").rglob("*")) == [tmp_path / "stage/artifacts/bases"]
