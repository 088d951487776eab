"""The executor: which runs are missing, who trains them, and how their answers become an output."""
