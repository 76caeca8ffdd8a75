"""Scheduled runs of configurations: who is due, computing it, and what came of it (docs/schedules.md)."""
