"""Packet rows to flows and streams."""
