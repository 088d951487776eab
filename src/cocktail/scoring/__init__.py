"""From raw answers to outcomes: extraction (strict and lenient), metrics, selection on dev."""
