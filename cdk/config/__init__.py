"""What an environment is made of: the figures in code, and what only its owner knows from context."""
