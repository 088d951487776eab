"""Write what llama.cpp makes of one GGUF file: token ids, log-probabilities, greedy continuations.

llama.cpp reads GGUF with code of its own, so a conversion that agrees with it is right. The numbers are
kept as ``<model>.json`` beside this file; tests/models/test_llama_cpp.py compares the converted model with
them. They are written anew when a model is added or the texts (``texts.py``) have changed, in an environment
apart, since llama-cpp-python is compiled for minutes and nothing else here needs it:

    python -m venv ENV && ENV/bin/pip install --editable . llama-cpp-python==0.3.36
    cd tests && ENV/bin/python -m reference.llama_cpp smollm2_135m smollm2_135m.gguf

(As a module, not as a script: its own name would hide the package.) Log-probabilities are those of the file
made float32 throughout, in float32 arithmetic: on weights of 4 bits llama.cpp also rounds what they are
multiplied with, which the converted model does not. That copy takes four bytes a weight, on disk and in
memory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt
from reference.texts import MODELS, chats, digest, passages, plain_texts, rendered

from cocktail.files.records import digest_file

SHOWN = 20  # texts whose ids are kept in full; of the others a digest is
NUM_PROMPTS = 14  # rendered prompts among the sequences that are read position by position
SHORTEST, LONGEST, LONG = 30, 120, 640  # tokens of a sequence; Gemma attends to 512 in most of its layers
NUM_ASKED, NUM_WRITTEN = 20, 32  # prompts that are continued, tokens written for each
F32 = 0  # a type of tensors in ggml

Ids = list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", choices=MODELS, help="of the model, in conf/model")
    parser.add_argument("file", type=Path, help="the GGUF file, as its packages hold it")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of <name>.json")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with TemporaryDirectory(dir=arguments.file.parent, prefix=".float32-") as folder:
        whole = make_float(arguments.file, Path(folder) / "model.gguf")
        found = numbers(arguments.name, vocabulary=arguments.file, whole=whole, threads=arguments.threads)
    made = {
        "file": arguments.file.name,
        "sha256": digest_file(arguments.file),
        "llama_cpp_python": llama_cpp.__version__,
        "command": f"python -m reference.llama_cpp {arguments.name} {arguments.file.name}",
    }
    target = arguments.out / f"{arguments.name}.json"
    target.write_text("\n".join(lines({"made": made, **found})) + "\n", encoding="ascii")


def make_float(file: Path, target: Path) -> Path:
    """Write the file with every tensor in float32, which is exact: a rounded weight is a float32 number."""
    wanted = llama_cpp.llama_model_quantize_default_params()
    wanted.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
    wanted.allow_requantize = True
    if llama_cpp.llama_model_quantize(str(file).encode(), str(target).encode(), wanted) != 0:
        raise SystemExit(f"llama.cpp cannot make {file} float32")
    return target


def numbers(name: str, *, vocabulary: Path, whole: Path, threads: int) -> dict[str, Any]:
    """Return all reference numbers: tokens with the file itself, the others with its float32 copy."""
    reader = llama_cpp.Llama(str(vocabulary), vocab_only=True, verbose=False)
    texts, prompts = plain_texts(), [rendered(chat, name) for chat in chats()]
    plain = [tokens(reader, text, special=False) for text in texts]
    asked = [tokens(reader, prompt, special=True) for prompt in prompts]
    start = [reader.token_bos()] if reader.metadata.get("tokenizer.ggml.add_bos_token") == "true" else []
    sequences = [*_passages(reader, start), *asked[:NUM_PROMPTS]]
    model = llama_cpp.Llama(
        str(whole),
        n_ctx=LONG + NUM_WRITTEN,
        n_batch=LONG + NUM_WRITTEN,
        n_ubatch=LONG + NUM_WRITTEN,
        n_threads=threads,
        n_threads_batch=threads,
        logits_all=True,
        type_k=F32,  # the cache of keys and values is of 16 bits else
        type_v=F32,
        verbose=False,
    )
    size, count = (of(model.model) for of in (llama_cpp.llama_model_size, llama_cpp.llama_model_n_params))
    if size != 4 * count:
        raise SystemExit(f"{size} bytes for {count} weights: not all are float32")
    read = [read_positions(model, ids) for ids in sequences]
    written = [continued(model, ids) for ids in asked[:NUM_ASKED]]
    return {
        "texts": digest([texts, prompts]),
        "tokens": {"digests": [[len(ids), digest(ids)] for ids in plain], "ids": plain[:SHOWN]},
        "rendered": {"digests": [[len(ids), digest(ids)] for ids in asked]},
        "positions": {
            "ids": sequences,
            "log_probs": [one[0] for one in read],
            "best": [one[1] for one in read],
        },
        "greedy": {
            "prompts": asked[:NUM_ASKED],
            "written": [one[0] for one in written],
            "gaps": [one[1] for one in written],
        },
    }


def tokens(model: llama_cpp.Llama, text: str, *, special: bool) -> Ids:
    """Return the ids of a text alone; only if ``special`` the text of a special token is that token."""
    return list(model.tokenize(text.encode("utf-8"), add_bos=False, special=special))


def read_positions(model: llama_cpp.Llama, ids: Ids) -> tuple[list[float], Ids]:
    """Return the log-probability of each next token, and the token that was the most probable one."""
    scores = _evaluated(model, ids)[:-1].astype(np.float64)
    top = scores.max(axis=1, keepdims=True)
    norms = top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))
    log_probs = scores[np.arange(len(scores)), ids[1:]] - norms
    return [round(float(one), 4) for one in log_probs], [int(one) for one in scores.argmax(axis=1)]


def continued(model: llama_cpp.Llama, ids: Ids) -> tuple[Ids, list[float]]:
    """Return the most probable continuation, past any end, and how far ahead each token was, in nats."""
    written: Ids = []
    gaps: list[float] = []
    last = _evaluated(model, ids)[-1]
    while True:
        second, first = (int(index) for index in np.argsort(last)[-2:])
        written.append(first)
        gaps.append(round(float(last[first] - last[second]), 3))
        if len(written) == NUM_WRITTEN:
            return written, gaps
        model.eval([first])
        last = model.scores[model.n_tokens - 1]


def lines(value: Any) -> Iterator[str]:
    """Yield the lines of a JSON value with one list of plain values a line, so that a diff stays readable."""
    if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], list)):
        opened, closed = "{}" if isinstance(value, dict) else "[]"
        yield opened
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for number, (key, one) in enumerate(pairs, start=1):
            head = f"{json.dumps(key)}:" if isinstance(value, dict) else ""
            inner = list(lines(one))
            inner[0] = head + inner[0]
            inner[-1] += "," if number < len(value) else ""
            yield from inner
        yield closed
    else:
        yield json.dumps(value, separators=(",", ":"))


def _passages(reader: llama_cpp.Llama, start: Ids) -> list[Ids]:
    """The passages, begun as the model expects, cut to many lengths; the last two stay long."""
    found = [[*start, *tokens(reader, text, special=False)] for text in passages()]
    span = LONGEST - SHORTEST + 1
    limits = [SHORTEST + 37 * number % span for number in range(len(found) - 2)] + [LONG, LONG]
    cut = [ids[:limit] for ids, limit in zip(found, limits, strict=True)]
    if min(map(len, cut)) < SHORTEST or min(map(len, cut[-2:])) < LONG:
        raise SystemExit(f"too few tokens: {[len(ids) for ids in cut]}")
    return cut


def _evaluated(model: llama_cpp.Llama, ids: Ids) -> npt.NDArray[np.float32]:
    """Read a sequence from its start and return the scores after each of its tokens."""
    model.reset()
    model.eval(ids)
    scores: npt.NDArray[np.float32] = model.scores[: model.n_tokens]
    return scores


if __name__ == "__main__":
    main()
