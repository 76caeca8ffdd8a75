"""Functions of bars: our own by name, and users' own source in a sandbox (docs/functions.md)."""
