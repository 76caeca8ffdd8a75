"""Internal functions, and the checks of names and arguments. Pure."""
