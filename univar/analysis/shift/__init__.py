"""How the answers of one LLM moved."""
