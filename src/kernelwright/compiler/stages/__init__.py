"""Each stage of one kernel as text, for people who look at what the compiler makes of it."""
