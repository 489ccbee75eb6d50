"""Matches to alerts: ECS documents with deterministic ids."""
