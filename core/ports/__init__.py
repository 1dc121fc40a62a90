"""What the core needs from outside, as Protocols.

Attributes are read-only, so that frozen classes fit.
"""
