"""What is known of each chip: facts with standing and source, a TOML file each; how undocumented chips are drawn."""
