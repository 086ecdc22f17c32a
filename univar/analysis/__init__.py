"""What the vectors say: identification, geometry, and the value map."""
