"""Tables and figures of a study, and the README's blocks."""
