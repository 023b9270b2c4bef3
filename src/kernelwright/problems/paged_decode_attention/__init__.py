"""Paged decode attention: a folder that `problems.general` reads."""
