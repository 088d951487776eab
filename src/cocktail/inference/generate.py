"""Greedy generation: what prompts begin with is read once, and all rows of a batch are read as one tree.

Prompts are taken in their own order, so that neighbours share most; keys and values of what the next batch
begins with stay. What rows write is laid out behind the tree, each token below its row, so nothing is copied
or padded. A test shows that the answers are those of ``generate``. Whatever a model's generation_config says
is not read: the ends and the limit are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import torch
from transformers import PreTrainedModel

from cocktail.inference.engine import Generated, Question
from cocktail.inference.labels import Walk
from cocktail.inference.memory import Memory
from cocktail.training.prefix import TREE_TOKENS, Tree


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
        memory, results = Memory(self.model, self.soft_prompt), dict[int, Generated]()
        for chosen, tree, known, kept in self._batches(questions):
            scores = memory.plant(tree, known)
            answers = self._answer([questions[index] for index in chosen], memory, scores)
            results.update(zip(chosen, answers, strict=True))
            memory.keep(kept)
        return [results[index] for index in range(len(questions))]

    def _batches(self, questions: Sequence[Question]) -> Iterator[tuple[list[int], Tree, int, list[int]]]:
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

    def _answer(self, questions: Sequence[Question], memory: Memory, scores: torch.Tensor) -> list[Generated]:
        """Answer one batch, whose prompts were read; then what else is asked: labels, and references."""
        after_prompts = scores.log_softmax(dim=-1)
        walks = [Walk(question.labels or {}) for question in questions]
        prompts_seen = memory.seen
        written: list[list[int]] = [[] for _ in questions]
        stopped = [False] * len(questions)
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
                places = [len(questions[index].prompt) + len(written[index]) - 1 for index in alive]
                scores = memory.extend(alive, [[written[index][-1]] for index in alive], places)
        memory.seen = torch.nn.functional.pad(prompts_seen, (0, memory.seen.shape[1] - prompts_seen.shape[1]))
        self._decode(questions, walks, memory)
        rated = self._rate(questions, memory, prompts_seen, after_prompts)
        return [
            Generated(tuple(ids), ended, walk.label, logprob)
            for ids, ended, walk, logprob in zip(written, stopped, walks, rated, strict=True)
        ]

    def _decode(self, questions: Sequence[Question], walks: Sequence[Walk], memory: Memory) -> None:
        """Lead all walks to a label, from the prompts alone."""
        read = [0] * len(walks)
        for walk in walks:
            walk.to_choice()
        while open_rows := [row for row, walk in enumerate(walks) if walk.choices]:
            chains = [walks[row].path[read[row] :] for row in open_rows]
            places = [len(questions[row].prompt) + read[row] for row in open_rows]
            scores = memory.extend(open_rows, chains, places)
            for row, scored in zip(open_rows, scores, strict=True):
                read[row] = len(walks[row].path)
                walks[row].take(_best_of(scored, walks[row].choices))
                walks[row].to_choice()

    def _rate(
        self, questions: Sequence[Question], memory: Memory, prompts_seen: torch.Tensor, first: torch.Tensor
    ) -> list[float]:
        """Return the mean log-probability of each reference answer, NaN where there is none.

        Args:
            prompts_seen: what each row saw of the tree of prompts.
            first: (rows, vocabulary), log-probabilities of the first token of an answer.
        """
        tree = range(prompts_seen.shape[1] - memory.virtual)
        found = [nan] * len(questions)
        for rows in self._readable([question.reference for question in questions]):
            references = [questions[row].reference for row in rows]
            places = [len(questions[row].prompt) for row in rows]
            memory.keep(tree)
            memory.seen = prompts_seen
            chains = [reference[:-1] for reference in references]
            later = memory.extend(rows, chains, places, every=True) if any(chains) else first[:0]
            parts = torch.split(later.log_softmax(dim=-1), [len(chain) for chain in chains])
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


def _best_of(scores: torch.Tensor, tokens: Sequence[int]) -> int:
    """The token with the highest score; the first one of equals."""
    return tokens[int(scores[list(tokens)].argmax())]
