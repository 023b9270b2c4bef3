"""RMS norm with residual: a folder that `problems.general` reads."""
