"""The command line: `main` holds the table of commands, each other file one command or a small family."""
