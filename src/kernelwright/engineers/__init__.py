"""engineers room."""
