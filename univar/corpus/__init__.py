"""Where the QAs come from: records, readers, simulations, and the `datasets` builder."""
