"""Statistics: arrays in, frozen dataclass out."""
