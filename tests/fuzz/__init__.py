"""Fuzzing: damaged traffic of every protocol for a while, and what it has found."""
