"""``cocktail new-task``: from a file of one's own to a task, its source, a golden file and a study."""
