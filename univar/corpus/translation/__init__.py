"""Answers to English and questions from it, sentence by sentence, and what speaks against a translation."""
