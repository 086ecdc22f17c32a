"""Where the answers of a corpus and the identities that wrote them lie, in two dimensions."""
