"""The paper's claims as testable statements, and the verdict on each."""
