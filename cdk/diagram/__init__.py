"""One drawing an environment, of what its templates hold: docs/diagrams/infrastructure-*.svg."""
