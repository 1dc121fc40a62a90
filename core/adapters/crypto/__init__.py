"""Keys, tokens, password hashes and sealing, over cryptography, argon2-cffi and PyJWT."""
