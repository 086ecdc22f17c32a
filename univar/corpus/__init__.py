"""Where the QAs come from: what a QA is, and questions, answers, translations, simulations."""
