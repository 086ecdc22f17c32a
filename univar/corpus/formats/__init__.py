"""How answers from elsewhere are kept, and how they become rows of named columns."""
