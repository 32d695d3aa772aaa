"""The owner's accounts: what can be done with one, in what form it is given and answered, its own
limits, its number, and where its credentials are."""
