"""workshop room."""
