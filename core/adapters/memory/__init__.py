"""Accelerators inside the process, for when there is no Redis."""
