"""Model and dataset cards in the Hub's format, for any run of the study."""
