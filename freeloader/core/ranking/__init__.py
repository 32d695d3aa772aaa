"""Who is better: score terms, the orders of the strategies, and the rule by which one is taken.

``need`` is the intelligence that a request calls for. Nobody is refused here: that is
``core.routing``'s.
"""
