"""Tables and figures of a study, and what documents show of results."""
