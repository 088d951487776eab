"""How an answer is read: labels, letters, numbers and texts, strictly and leniently."""
