"""Files: JSON, tables and folders written whole, the run store, a torn dvc.lock."""
