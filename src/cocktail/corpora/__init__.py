"""Pretraining text of from-scratch base models that are to read real data: read, checked, cut, sampled."""

RECEIPT, TEXT, INSTRUCTIONS = "receipt.json", "text.parquet", "instructions.parquet"
