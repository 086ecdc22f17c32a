"""How far identities, languages or models lie apart, and whether it is values."""
