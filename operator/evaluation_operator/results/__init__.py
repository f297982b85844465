"""What a run leaves: its folder, the files in it, and how it ends; written and read here alone."""
