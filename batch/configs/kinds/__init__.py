"""The kinds of a configuration's computations: each gathers what several runs ask for, and computes it once."""
