"""Asking LLMs: endpoints, elicitation, and the folder of what they answered."""
