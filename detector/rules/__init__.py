"""Rule texts to compiled rules."""
