"""Numbers as people write them in finance: sign, brackets, currency, thousands separators, percent, scale.

Percent rule: a percent sign divides by 100, so 14% and 0.14 are the same number; "million" and its like
multiply. The unit is kept beside the digits because data sets lose it ("14" for "14%"): lenient comparison
may then compare the digits alone (:func:`same_number`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_UNITS = {"%": 0.01, "percent": 0.01, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_CURRENCY = re.compile(r"(?:\bUS)?[$€£]\s*|\b(?:USD|EUR)\s+", re.IGNORECASE)
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+|(?=\.\d))(?:\.\d+)?(?:e[+-]?\d+)?"
_UNIT = rf"(?:\s*(?:{'|'.join(_UNITS)})(?!\w))?"
_NUMBER = re.compile(
    rf"\(\s*(?P<inner>{_DIGITS})(?P<inner_unit>{_UNIT})\s*\)(?P<outer_unit>{_UNIT})"  # (5.1) is -5.1
    rf"|(?:(?P<sign>[-+])\s*)?(?P<digits>{_DIGITS})(?P<unit>{_UNIT})",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Number:
    """A number that was read: its digits with their sign, and the factor of its unit (1.0 without one)."""

    digits: float
    unit: float = 1.0

    @property
    def value(self) -> float:
        """The number that is meant."""
        return self.digits * self.unit


def parse_number(text: str) -> Number | None:
    """Read ``text`` as one number and nothing else; None where it is anything else."""
    match = _NUMBER.fullmatch(_plain(text))
    return _number(match) if match else None


def find_numbers(text: str) -> list[Number]:
    """Return the numbers in running text, in order.

    Digits inside a word (Q3, FY2019, 10-K, 3rd) are no numbers. A minus is a sign where nothing it could
    subtract from stands before it: in "is -4" and "= - 4" it is a sign, in "7 - 3" and "2019-2020" not.
    """
    text = _plain(text)
    found = []
    for match in _NUMBER.finditer(text):
        if _inside_word(text, match):
            continue
        number = _number(match)
        if match["sign"] == "-" and not _is_sign(text, match):
            number = Number(-number.digits, number.unit)
        found.append(number)
    return found


def same_number(
    answer: Number, gold: Number, *, relative: float, absolute: float, units: Literal["kept", "loose"]
) -> bool:
    """Tell whether two numbers agree within ``relative`` x |gold| or ``absolute``, whichever is larger.

    A whole gold number without a unit is a count, not a rounded quantity: there only ``absolute`` holds, or
    101 apples would be 100.
    With ``units="loose"`` a unit that only one side writes may be left out: 14% agrees with 0.14 and with 14.
    """
    if gold.unit == 1.0 and gold.digits.is_integer():
        relative = 0.0
    if _close(answer.value, gold.value, relative=relative, absolute=absolute):
        return True
    one_has_unit = (answer.unit == 1.0) != (gold.unit == 1.0)
    return (
        units == "loose"
        and one_has_unit
        and _close(answer.digits, gold.digits, relative=relative, absolute=absolute)
    )


def _close(answer: float, gold: float, *, relative: float, absolute: float) -> bool:
    # The last term forgives the rounding of decimal fractions in binary: |0.3 - 0.2| > 0.1 without it.
    return abs(answer - gold) <= max(relative * abs(gold), absolute) + 1e-12 * max(1.0, abs(gold))


def _plain(text: str) -> str:
    """One kind of minus, "percent" in one word, no currency sign, no outer white space."""
    text = text.replace("−", "-").replace("–", "-").replace("per cent", "percent")
    return _CURRENCY.sub("", text).strip()


def _number(match: re.Match[str]) -> Number:
    digits = float((match["inner"] or match["digits"]).replace(",", ""))
    unit = (match["inner_unit"] or match["outer_unit"] or match["unit"] or "").strip().lower()
    negative = match["inner"] is not None or match["sign"] == "-"
    return Number(-digits if negative else digits, _UNITS.get(unit, 1.0))


def _inside_word(text: str, match: re.Match[str]) -> bool:
    before, after = text[: match.start()], text[match.end() :]
    return bool(re.search(r"[A-Za-z_]$", before) or re.match(r"-?[A-Za-z_]", after))


def _is_sign(text: str, match: re.Match[str]) -> bool:
    before = text[: match.start()]
    spaced = match.start("digits") > match.end("sign")
    return bool(re.search(r"(?:^|[=:])\s*$" if spaced else r"(?:^|[\s=:(])$", before))
