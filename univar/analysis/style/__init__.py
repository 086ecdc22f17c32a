"""How much of what sets LLMs apart is style: verdicts on the answers of a corpus."""
