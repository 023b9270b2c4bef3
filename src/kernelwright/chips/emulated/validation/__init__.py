"""Emulated times beside measured ones. Engine and profiles are those of every run."""
