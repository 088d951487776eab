"""Three backends, one raw layout: the Hub, a mirror folder, or generated data."""
