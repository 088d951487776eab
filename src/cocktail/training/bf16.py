"""bfloat16 on CPUs without instructions for it: the same numbers, but for rounding, at float32's cost.

Precision is what params say, never what a machine offers. Without AVX512-BF16 or AMX torch multiplies
bfloat16 matrices several times slower than float32 ones; here they are made float32, multiplied, and rounded
again. The instructions do just that: they multiply exactly and add in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from cocktail.training.environment import cpu_flags

INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
_aten = torch.ops.aten
PRODUCTS = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten.baddbmm.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward.default,
}
LOG_SUMS = _aten._scaled_dot_product_flash_attention_for_cpu.default  # its second result is always float32


class _Float32Products(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch is untyped here
    """Lets products of bfloat16 matrices be computed in float32."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = (tuple(args), dict(kwargs or {}))
        if func not in PRODUCTS or not any(map(_is_bf16, args)):
            return func(*given[0], **given[1])
        whole = tree_map_only(torch.Tensor, lambda value: value.float() if _is_bf16(value) else value, given)
        found = func(*whole[0], **whole[1])
        if func is LOG_SUMS:
            return found[0].bfloat16(), found[1]
        return tree_map_only(torch.Tensor, lambda value: value.bfloat16(), found)


def _is_bf16(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16 and value.device.type == "cpu"


@contextmanager
def bf16_anywhere(*, wanted: bool) -> Iterator[None]:
    """Within the block, products in bfloat16 cost no more than float32 ones, whatever the CPU.

    Args:
        wanted: whether anything is computed in bfloat16.
    """
    if not wanted or torch.cuda.is_available() or any(name in cpu_flags() for name in INSTRUCTIONS):
        yield
    else:
        with _Float32Products():  # type: ignore[no-untyped-call]
            yield
