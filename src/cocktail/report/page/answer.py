"""What came out, in plain sentences: of the study, and of one row of a claim."""

from __future__ import annotations

from cocktail.report.page.claims import NOT_TESTED, Claims, Verdict
from cocktail.report.page.forest import effect_text

SENTENCES = {
    "supported": "It holds here: {effect} points.",
    "contradicted": "The opposite was found: {effect} points.",
    "negligible": "There is a difference, too small to matter: {effect} points.",
    "not supported": "There is no difference that matters: {effect} points.",
    "under-powered": "This study cannot tell: {effect} points{seen}.",
    NOT_TESTED: "It was not tested here{why}.",
}
TOLD = {  # of the study: which claims held, and which did not, before what is open
    "supported": "Held",
    "contradicted": "The opposite was found for",
    "negligible": "Too small to matter",
    "not supported": "No difference that matters",
    "under-powered": "Undecided",
}


def plainly(row: Verdict) -> str:
    """Return what a row says, in a sentence."""
    seen = "" if row.detectable is None else f"; about {row.detectable:.0f} would have been seen"
    why = f": {row.reason}" if row.reason else ""
    return SENTENCES[row.verdict].format(effect=effect_text(row), seen=seen, why=why)


def answer(claims: Claims) -> str:
    """Return what came out of a study, by its headlines: effects with their claims, untested ones counted."""
    heads = [(claim, row) for claim in claims.claims for row in claim.headlines()]
    tested = [(claim, row) for claim, row in heads if row.verdict != NOT_TESTED]
    parts = [f"Of {len(heads)} headline statements {len(tested)} could be tested."]
    for verdict, words in TOLD.items():
        mine = [
            f"{claim.title} ({effect_text(row).split(' ')[0]})"
            for claim, row in tested
            if row.verdict == verdict
        ]
        parts += [f"{words}: {'; '.join(mine)}."] if mine else []
    return " ".join(parts)
