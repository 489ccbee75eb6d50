"""Scenarios, and traffic for them."""
