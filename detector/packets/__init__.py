"""Packets to columns: one row per IP layer."""
