"""Computations on instruments, one file each. The registry finds them (signalsite.foundation.computations)."""
