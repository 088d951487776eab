"""No sentence of the real data stands in the project: not in code, tests, documents, results or records.

Every tracked file is compared with every text of the mirror: a run of ten words must not be shared, and a
text of the mirror that has six to nine words must not stand in a file as a whole. Letters and digits in lower
case are compared, so spacing, case and punctuation hide nothing.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cocktail.config import check_params
from cocktail.config.compose import compose
from cocktail.data.table import unescape
from cocktail.sources.read import read_rows

ROOT = Path(__file__).parents[2]
Hashes = npt.NDArray[np.uint64]
WORD = re.compile(r"[^\W_]+")
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that every position of a run counts
RUN, SHORTEST = 10, 6  # words
BREAK = " zzbreakzz "  # stands between texts, so that no run goes over from one to the next
BINARY = {".png", ".safetensors"}  # figures, drawn from numbers; weights, of bases that read generated text
# The wording of a question that thousands of rows share, no sentence of anybody's data: the generated sources
# ask in the same words, since their rows must look like those. What is asked about stands in other columns.
WORDING = {"headline": {"instruction"}, "convfinqa": {"instruction"}, "finqa": {"query"}}


class WordRuns:
    """The runs of ``num_words`` words of some texts; keeps the hash of each word it has met.

    Runs are compared as 64-bit hashes: among 10^8 runs of one side and 10^7 of the other a false match is
    expected in one of 10^4 comparisons.
    """

    def __init__(self, texts: Sequence[str], *, num_words: int) -> None:
        self._num_words = num_words
        self._hashes: dict[str, int] = {}
        self._known = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *map(self._of, texts)]))

    def shares(self, text: str) -> bool:
        """Return whether the text shares a run with any of the texts."""
        runs = self._of(text)
        if not len(runs) or not len(self._known):
            return False
        places = np.searchsorted(self._known, runs)
        return bool((self._known[np.minimum(places, len(self._known) - 1)] == runs).any())

    def _of(self, text: str) -> Hashes:
        """The hash of each run in order; none where the text has fewer words."""
        words = WORD.findall(text.lower())
        size = max(0, len(words) - self._num_words + 1)
        hashes = np.fromiter(map(self._hash, words), dtype=np.uint64, count=len(words))
        runs = np.zeros(size, dtype=np.uint64)
        with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
            for offset in range(self._num_words):
                runs = runs * FACTOR + hashes[offset : offset + size]
        return runs

    def _hash(self, word: str) -> int:
        found = self._hashes.get(word)
        if found is None:
            found = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
            self._hashes[word] = found
        return found


class Sentences:
    """The texts of some sources, to be found in other texts."""

    def __init__(self, sources: Mapping[str, Iterable[str]]) -> None:
        by_length: dict[int, list[str]] = defaultdict(list)
        for texts in sources.values():
            for text in map(unescape, texts):
                # longest first: a text of 300 characters or more need not be counted
                length = RUN if len(text) > 300 else min(RUN, len(WORD.findall(text)))
                if length >= SHORTEST:
                    by_length[length].append(text)
        self._runs = {
            length: WordRuns([BREAK.join(texts)], num_words=length) for length, texts in by_length.items()
        }

    def find(self, text: str) -> list[tuple[int, str]]:
        """Return the line at which each shared run begins, with the run; none where nothing is shared."""
        text = _plain(text)
        return sorted(
            found
            for length, known in self._runs.items()
            if known.shares(text)
            for found in _places(text, known, length)
        )


def _plain(text: str) -> str:
    """The text without escapes of JSON, Python and HTML; line breaks stay where they are."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    return unescape(re.sub(r"\\[nrt]", " ", text))


def _places(text: str, known: WordRuns, length: int) -> Iterator[tuple[int, str]]:
    words = list(WORD.finditer(text))
    for first, last in zip(words, words[length - 1 :], strict=False):
        run = text[first.start() : last.end()]
        if re.search("[A-Za-z]", run) and known.shares(run):  # numbers alone are a table's row, by chance
            yield text.count("\n", 0, first.start()) + 1, " ".join(run.split())


def strings(value: object) -> Iterator[str]:
    """Every string in a raw field, however deep: choices are lists, evidence is a list of objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from strings(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def mirror_texts(mirror: Path) -> dict[str, set[str]]:
    """Every text of every file of the mirror, by source."""
    sources = check_params(compose(ROOT / "conf", "tiny", ["source=mirror"]), where="conf").fetch.sources
    found: dict[str, set[str]] = {}
    for name, source in sources.items():
        texts = found[name] = set()
        for file in source.files:
            for _, row in read_rows(mirror / source.repo / file.path):
                assert isinstance(row, dict), file.path
                told = [value for key, value in row.items() if key not in WORDING.get(name, ())]
                texts.update(strings(told))
    return found


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Name and text of every file that git tracks; of a table the strings of its columns."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.match("data/bases/*/tokenizer.json"):
            continue  # a vocabulary of generated text, numbered: counting is no sentence
        if path.suffix == ".parquet":
            yield name, table_text(pq.read_table(path))
        elif path.suffix not in BINARY and path.is_file():
            yield name, path.read_text(encoding="utf-8")  # an unknown kind of file is an error, not a gap


def table_text(table: pa.Table) -> str:
    """The strings of a table, each once, however deep."""
    values = {text for column in table.columns for text in strings(column.unique().to_pylist())}
    return BREAK.join(sorted(values))


@pytest.mark.mirror
def test_no_tracked_file_holds_a_sentence_of_the_mirror(mirror: Path) -> None:
    texts = mirror_texts(mirror)
    assert all(texts.values()), "a source without a text would be found nowhere"
    sentences = Sentences(texts)
    found = [f"{name}:{line}: {run}" for name, text in tracked_texts() for line, run in sentences.find(text)]
    assert found == []


INVENTED = "The kestrel mill at Oldharbour sold nine looms to its quiet neighbour & closed on Friday."
SHORT = "Oldharbour looms sell well this spring"


@pytest.fixture(scope="module")
def invented() -> Sentences:
    return Sentences({"one": [INVENTED, SHORT, "too short to tell"], "two": ["Nothing of this is anywhere."]})


@pytest.mark.parametrize(
    "text",
    [
        INVENTED,
        INVENTED.upper().replace(" ", "\n"),
        "Before. " + INVENTED[: INVENTED.index(" quiet")].replace("kestrel", "kestrel,") + " and after",
        INVENTED.replace("&", "&amp;"),
        '"the kestrel mill\\nat Oldharbour "\n    "sold nine looms to its"',
        INVENTED.replace("mill", "mi\\u006cl"),
        f"x {SHORT}.",
    ],
)
def test_a_sentence_is_found_whatever_stands_around_it(invented: Sentences, text: str) -> None:
    assert invented.find(text)


@pytest.mark.parametrize(
    "text",
    [
        "the kestrel mill at Oldharbour sold nine looms to",  # nine words of a longer text
        "looms sell well this spring, too",  # five of six
        "the kestrel mill at Oldharbour sold seven looms to its quiet neighbour",
        "too short to tell",
        "closed on friday oldharbour looms sell well this season",  # two texts in a row
        "",
    ],
)
def test_less_than_a_sentence_is_not_found(invented: Sentences, text: str) -> None:
    assert invented.find(text) == []


def test_a_row_of_numbers_alone_is_no_sentence() -> None:
    known = Sentences({"one": ["5.3 5.3 5.3 5.3 5.3 5.3", "sales of 5.3 5.3 5.3 5.3"]})
    assert known.find("a | 5.3 | 5.3 | 5.3 | 5.3 | 5.3 | 5.3 |") == []
    assert known.find("sales of 5.3 | 5.3 | 5.3 | 5.3")


def test_the_line_is_named(invented: Sentences) -> None:
    assert invented.find(f"one\ntwo\n{SHORT}\nfour") == [(3, SHORT)]


def test_strings_of_tables_and_of_nested_fields_are_seen(invented: Sentences) -> None:
    nested = {"a": [1, {"b": [SHORT]}], "c": None}
    assert list(strings(nested)) == [SHORT]
    table = pa.table({"item": ["x:1", "x:1"], "text": pa.array([SHORT, "y"]).dictionary_encode()})
    assert invented.find(table_text(table))


QUESTION = "The grey mill of Quorvane sold nine bales of cloth to the yard in March."


@pytest.mark.parametrize(("num_words", "shared"), [(9, True), (10, True), (11, False), (15, False)])
def test_a_run_is_found_from_its_number_of_words_on(num_words: int, shared: bool) -> None:
    known = WordRuns(["another text", QUESTION], num_words=num_words)
    part = " ".join(QUESTION.split()[:10])
    assert known.shares(f"It began so: {part.upper()} -\n and no more.") is shared
    assert not known.shares("few words")


def test_the_order_of_words_counts() -> None:
    known = WordRuns([" ".join("abcdefghij")], num_words=10)
    assert known.shares(" ".join("abcdefghij")) and not known.shares(" ".join("jihgfedcba"))


def test_nothing_is_shared_with_no_text() -> None:
    assert not WordRuns([], num_words=1).shares(QUESTION)
