"""Which tasks to mix for a target: a model of gain, its record on mixtures it never saw, then its advice."""
