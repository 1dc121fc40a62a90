"""The routes, one module a capability, with the bodies of its requests and answers."""
