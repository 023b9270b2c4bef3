"""Rotary embedding and cache write: a folder that `problems.general` reads."""
