"""Tables, figures, the page, cards and the README, from results."""
