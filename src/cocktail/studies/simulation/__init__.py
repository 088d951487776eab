"""The rule of verdicts on studies with a known truth, from a generator that is not the rule's formula."""
