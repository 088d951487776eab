"""Training: base models and fine-tuning. With ``inference`` the only importer of torch."""
