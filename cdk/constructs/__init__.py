"""One construct a capability; stacks put them together."""
