"""The daemon: configuration, its loop, reload, state, health and metrics, privileges. Clocks and I/O of a service live here."""
