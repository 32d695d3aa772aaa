"""Free quota in the books: windows, what is learnt of them, how they are shown and warned of."""
