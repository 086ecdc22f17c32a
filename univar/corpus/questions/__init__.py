"""What is asked: values, the question bank, questions that an LLM writes."""
