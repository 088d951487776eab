"""From raw rows to examples, splits, prompts, evaluation sets and the grid of mixtures."""
