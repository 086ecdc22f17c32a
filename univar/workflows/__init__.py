"""What joins rooms: the demo, training with its measurement, datatrove steps."""
