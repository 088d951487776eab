"""From raw rows to examples, splits and mixtures."""
