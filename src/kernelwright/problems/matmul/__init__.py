"""Matrix product: a folder that `problems.general` reads."""
