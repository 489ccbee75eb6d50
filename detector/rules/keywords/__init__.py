"""Suricata's keywords: the text of a payload rule to what it means. One module for each family of keywords."""

from __future__ import annotations

from detector.rules.keywords.compile import SUPPORTED, compile_rule, is_supported
from detector.rules.keywords.draft import CompiledRule, Context, Unsupported

__all__ = ["SUPPORTED", "CompiledRule", "Context", "Unsupported", "compile_rule", "is_supported"]
