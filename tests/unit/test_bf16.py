"""bfloat16 without instructions for it: the products of bfloat16 matrices, at the cost of float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_model import tiny_model

from cocktail.training import bf16
from cocktail.training.bf16 import PRODUCTS, bf16_anywhere


@pytest.fixture(autouse=True)
def no_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(bf16, "cpu_flags", lambda: ["avx2"])


def learned(model: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores in autocast, and the gradient of their sum of squares."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        scores = model(input_ids=ids).logits
    scores.float().square().sum().backward()
    return scores.detach().float(), torch.cat([p.grad.flatten() for p in model.parameters()])


def test_forward_and_backward_are_those_of_bfloat16_but_for_rounding(tokenizer: Any) -> None:
    model, ids = tiny_model(tokenizer, spread=4.0), torch.randint(6, 100, (3, 20))
    native, native_gradient = learned(model, ids)
    with bf16_anywhere(wanted=True):
        ours, gradient = learned(model, ids)
    exact = model(input_ids=ids).logits.detach()
    rounding = float((native - exact).abs().mean())
    assert float((ours - native).abs().mean()) < 2 * rounding
    assert 0 < float((ours - exact).abs().mean()) < 2 * rounding  # it is bfloat16, not float32
    cosine = torch.nn.functional.cosine_similarity(gradient, native_gradient, dim=0)
    assert float(cosine) > 0.995


def test_a_product_is_the_exact_one_rounded_once() -> None:
    left, right = torch.randn(30, 40).bfloat16(), torch.randn(40, 20).bfloat16()
    with bf16_anywhere(wanted=True):
        found = left @ right
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, (left.float() @ right.float()).bfloat16())


@pytest.mark.parametrize(
    ("wanted", "flags"), [(False, ["avx2"]), (True, ["avx512_bf16"]), (True, ["amx_bf16"])]
)
def test_where_it_is_not_needed_nothing_is_changed(
    monkeypatch: pytest.MonkeyPatch, wanted: bool, flags: list[str]
) -> None:
    monkeypatch.setattr(bf16, "cpu_flags", lambda: flags)
    monkeypatch.setattr(bf16, "_Float32Products", lambda: pytest.fail("emulated"))
    with bf16_anywhere(wanted=wanted):
        pass


def test_every_product_that_a_model_asks_for_is_known(tokenizer: Any) -> None:
    """Of an operation that is not, bfloat16 would be multiplied slowly."""
    seen: set[Any] = set()

    class Noted(bf16._Float32Products):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.add(func)
            return super().__torch_dispatch__(func, types, args, kwargs)

    with Noted():
        learned(tiny_model(tokenizer), torch.randint(6, 100, (3, 20)))
    multiplying = {func for func in seen if any(word in str(func) for word in ("mm", "matmul", "attention"))}
    assert multiplying and multiplying <= PRODUCTS
