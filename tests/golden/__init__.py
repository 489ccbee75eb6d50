"""Golden alerts: what whole captures give, byte for byte, checked once by hand against tshark and kept."""
