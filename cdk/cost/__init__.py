"""What an environment costs a month, from its templates, prices.json and assumptions.toml."""
