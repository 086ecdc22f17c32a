"""What each identity of a corpus stands for."""
