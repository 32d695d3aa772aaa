"""What happens to the ledger's money in one transaction: pieces for the writer.

``holds`` are placed, settled and released, ``charges`` recorded and adjusted, both with their
running sums. Plain functions over a connection inside a transaction; no threads, no waiting,
no clock.
"""
