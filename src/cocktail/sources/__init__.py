"""Three ways to the same raw layout: the Hub, a mirror folder, or generated data."""
