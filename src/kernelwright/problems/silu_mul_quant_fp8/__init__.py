"""SwiGLU with quantisation to fp8: a folder that `problems.general` reads."""
