"""Use cases: one public method, one commit."""
