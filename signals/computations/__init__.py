"""What can be computed of instruments: one file each. The registry finds them (signalsite.foundation.computations)."""
