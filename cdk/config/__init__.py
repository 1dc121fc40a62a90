"""What an environment is made of: figures in code, and from context what only its owner knows."""
