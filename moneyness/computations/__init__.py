"""Computations on underlyings, one file each. The registry finds them (signalsite.foundation.computations)."""
