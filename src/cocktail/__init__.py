"""Cocktail: rebuild and check the cocktail effect of multi-task fine-tuning (arXiv 2410.01109)."""
