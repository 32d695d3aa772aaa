"""What runs in the child's own process around LiteLLM: the door, the tap, the mends.

Imported by ``freeloader.child.launcher`` only; the daemon never loads it.
"""
