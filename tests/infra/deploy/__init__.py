"""Deploys whole environments to moto on this machine with the real CDK command line."""
