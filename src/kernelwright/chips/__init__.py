"""The machines that run launch plans, each behind `core.protocols.Chip`."""
