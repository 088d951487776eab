"""Answering: greedy generation and label decoding. With ``training`` the only importer of torch."""
