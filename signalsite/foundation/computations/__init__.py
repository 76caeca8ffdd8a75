"""Computations: what is computed for an item, declared once and read by everything that offers it."""
