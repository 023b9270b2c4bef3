"""Time from a tile program and a trace: the event engine and the wave tier, in Numba."""
