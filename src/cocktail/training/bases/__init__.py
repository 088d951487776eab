"""Base models that others pretrained: from the Hub, from Python packages or from a folder; one layout."""
