"""Compiled rules on tables."""
