"""A model judges free-text answers against the reference answer, beside the rules of ``cocktail.scoring``."""
