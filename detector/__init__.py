"""Network attack detection for control systems: captures or live traffic in, alerts out."""

__version__ = "0.1.0"
