"""The backward pass of flash attention: a folder that `problems.general` reads."""
