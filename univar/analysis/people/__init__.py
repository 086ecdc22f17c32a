"""Languages against the societies that speak them."""
