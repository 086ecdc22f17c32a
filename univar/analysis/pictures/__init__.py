"""All that draws, from results alone."""
