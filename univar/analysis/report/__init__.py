"""What was found, kept in files, and one page of it, made from results alone."""
