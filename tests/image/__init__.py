"""Builds the image and runs it as the manifests do, without a container engine."""
