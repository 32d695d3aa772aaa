"""xSwarm-Freeloader: one OpenAI-compatible address that uses every free tier first.

A pure core decides, a thin shell acts, one set of books remembers. Importing
this package does nothing; the composition root is ``freeloader.app``.
"""

__version__ = "0.1.0"
