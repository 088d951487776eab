"""The report as one HTML page, and model and dataset cards."""
