"""Search spaces as data: choices, parts of a network that depend on them, and the networks of architectures."""
