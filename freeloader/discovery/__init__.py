"""What the registry could learn: sources give proposals, an owner (or a rule) accepts them.

No source changes anything by itself. Models are never called from here but through
the pipeline's own interface.
"""
