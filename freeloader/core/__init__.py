"""PURE: what should happen? No async, clock, logging, randomness, SQL or HTTP in here."""
