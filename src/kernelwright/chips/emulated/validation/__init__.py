"""Emulated times beside measured ones. Nothing here sets a parameter: the engine and the profiles are those of every run."""
