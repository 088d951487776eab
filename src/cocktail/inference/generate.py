"""Greedy generation: what prompts begin with is read once, as trees; rows of several trees write together.

Prompts are taken in their own order, so that neighbours share most; keys and values of what the next tree
begins with stay. Masks are dense, so a tree is small; but a step of writing reads all weights, be it for one
row or for thirty, so a batch is filled from several trees. A test shows that the answers are those of
``generate``. Whatever a model's generation_config says is not read: the ends and the limit are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import torch
from transformers import PreTrainedModel

from cocktail.inference.engine import Generated, Question, Walk
from cocktail.inference.memory import Memory, Rows
from cocktail.training.environment import environment
from cocktail.training.prefix import TREE_TOKENS, Tree

WRITTEN_TOKENS = 2**15  # of all rows of a batch, with what they may write: their keys and values take memory
GROUPED_HEADS = {
    "TRANSFORMERS_SDPA_FORCE_GQA": "1"
}  # on CPUs: the same numbers, no copy of keys for each head


@dataclass(frozen=True)
class _Read:
    """One tree, read: its questions, memory, scores after each prompt, and how likely references are."""

    chosen: list[int]
    memory: Memory
    scores: torch.Tensor
    rated: list[float]


@dataclass(frozen=True)
class TorchEngine:
    """Our own loop.

    Attributes:
        ends: ids of the tokens that end an answer.
        batch_size: rows that are answered together.
        soft_prompt: (virtual tokens, hidden size), stands before every prompt.
        tree_tokens: tokens that are read at once; None: by device.
    """

    model: PreTrainedModel
    ends: tuple[int, ...]
    batch_size: int
    soft_prompt: torch.Tensor | None = None
    tree_tokens: int | None = None

    @torch.inference_mode()
    def generate(self, questions: Sequence[Question]) -> list[Generated]:
        """Answer ``questions`` greedily; the result is in their order.

        Raises:
            RunError: the model has layers that cannot read prompts together.
        """
        with environment(GROUPED_HEADS if self.model.device.type == "cpu" else {}):
            results = dict(self._results(questions))
        return [results[index] for index in range(len(questions))]

    def _results(self, questions: Sequence[Question]) -> Iterator[tuple[int, Generated]]:
        memory, batch = Memory(self.model, self.soft_prompt), list[_Read]()
        rows, longest = 0, 0
        for chosen, tree, known, kept in self._trees(questions):
            rows += len(chosen)
            most = max(len(questions[index].prompt) + questions[index].limit for index in chosen)
            longest = max(longest, most)
            if batch and (rows > self.batch_size or rows * longest > WRITTEN_TOKENS):
                yield from self._answer(questions, batch)
                batch, rows, longest = [], len(chosen), most
            scores = memory.plant(tree, known)
            rated = self._rate([questions[index] for index in chosen], memory, scores.log_softmax(dim=-1))
            batch.append(_Read(chosen, memory, scores, rated))
            memory = memory.fork(kept)
        if batch:
            yield from self._answer(questions, batch)

    def _trees(self, questions: Sequence[Question]) -> Iterator[tuple[list[int], Tree, int, list[int]]]:
        """Yield questions, their tree, how many of its tokens are known, and which are kept for the next."""
        most = self.tree_tokens or TREE_TOKENS[self.model.device.type]
        order = sorted(range(len(questions)), key=lambda index: (questions[index].prompt, index))
        tree, chosen, known = Tree(), list[int](), 0
        for index in order:
            prompt = questions[index].prompt
            new = len(tree.input_ids) - known + len(prompt) - tree.shares(prompt[:-1])
            if chosen and (len(chosen) == self.batch_size or new > most):
                kept = tree.path[: tree.shares(prompt[:-1])]
                ids = [tree.input_ids[token] for token in kept]
                tree.close()
                yield chosen, tree, known, kept
                tree, chosen, known = Tree.along(ids), [], len(ids)
            tree.add(prompt[:-1], prompt[-1:])
            chosen.append(index)
        if chosen:
            tree.close()
            yield chosen, tree, known, []

    def _answer(self, every: Sequence[Question], batch: Sequence[_Read]) -> Iterator[tuple[int, Generated]]:
        """Answer the questions of one batch, whose prompts were read; then lead them to labels."""
        chosen = [index for one in batch for index in one.chosen]
        questions, rated = [every[index] for index in chosen], [value for one in batch for value in one.rated]
        memories = [one.memory for one in batch]
        walks = [Walk(question.labels or {}) for question in questions]
        written: list[list[int]] = [[] for _ in questions]
        stopped = [False] * len(questions)
        scores = torch.cat([one.scores for one in batch])
        rows = Rows(memories, room=max(question.limit for question in questions))
        alive = list(range(len(questions)))
        while alive:
            tokens = scores.argmax(dim=-1).tolist()
            staying = []
            for row, (index, token) in enumerate(zip(alive, tokens, strict=True)):
                walk = walks[index]
                if walk.path == written[index] and walk.choices:
                    walk.take(_best_of(scores[row], walk.choices))
                if token in self.ends:
                    stopped[index] = True
                    continue
                written[index].append(token)
                if len(written[index]) < questions[index].limit:
                    staying.append(row)
            alive = [alive[row] for row in staying]
            if alive:
                rows.keep(staying)
                scores = rows.extend([[written[index][-1]] for index in alive])
        _decode(walks, memories)
        for index, ids, ended, walk, logprob in zip(chosen, written, stopped, walks, rated, strict=True):
            yield index, Generated(tuple(ids), ended, walk.label, logprob)

    def _rate(self, questions: Sequence[Question], memory: Memory, first: torch.Tensor) -> list[float]:
        """Return the mean log-probability of each reference answer, NaN where there is none.

        Args:
            memory: of the prompts; it stays as it is.
            first: (rows, vocabulary), log-probabilities of the first token of an answer.
        """
        found = [nan] * len(questions)
        for rows in self._readable([question.reference for question in questions]):
            references = [questions[row].reference for row in rows]
            chains = [reference[:-1] for reference in references]
            later = first[:0]
            if any(chains):
                read_on = Rows([memory.of(rows)], max(map(len, chains)))
                later = read_on.extend(chains, every=True).log_softmax(dim=-1)
            parts = torch.split(later, [len(chain) for chain in chains])
            for row, reference, part in zip(rows, references, parts, strict=True):
                scored = torch.cat([first[row][None], part])
                tokens = torch.tensor(reference, device=scored.device)
                found[row] = float(scored.gather(1, tokens[:, None]).mean())
        return found

    def _readable(self, references: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Yield the rows that have a reference, as many at a time as may be read at once."""
        most = self.tree_tokens or TREE_TOKENS[self.model.device.type]
        rows, size = list[int](), 0
        for row, reference in enumerate(references):
            if not reference:
                continue
            if rows and size + len(reference) > most:
                yield rows
                rows, size = [], 0
            rows.append(row)
            size += len(reference)
        if rows:
            yield rows


def _decode(walks: Sequence[Walk], memories: Sequence[Memory]) -> None:
    """Lead all walks to a label, from the prompts alone."""
    for walk in walks:
        walk.to_choice()
    open_rows = [row for row, walk in enumerate(walks) if walk.choices]
    if not open_rows:
        return
    rows, read = Rows(memories, max(len(walk.path) for walk in walks)), [0] * len(walks)
    rows.keep(open_rows)
    while open_rows:
        scores = rows.extend([walks[row].path[read[row] :] for row in open_rows])
        for row, scored in zip(open_rows, scores, strict=True):
            read[row] = len(walks[row].path)
            walks[row].take(_best_of(scored, walks[row].choices))
            walks[row].to_choice()
        staying = [place for place, row in enumerate(open_rows) if walks[row].choices]
        open_rows = [open_rows[place] for place in staying]
        rows.keep(staying)


def _best_of(scores: torch.Tensor, tokens: Sequence[int]) -> int:
    """The token with the highest score; the first one of equals."""
    return tokens[int(scores[list(tokens)].argmax())]
