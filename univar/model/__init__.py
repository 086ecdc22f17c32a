"""How QAs become vectors: views, modules, the loss, training and saving."""
