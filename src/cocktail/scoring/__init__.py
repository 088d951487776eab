"""From raw answers to outcomes: codes by item, metrics, summaries."""
