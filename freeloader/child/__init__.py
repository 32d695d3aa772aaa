"""The LiteLLM proxy as a supervised child process.

``machine`` decides (pure), ``keeper`` acts, ``launcher`` is what runs inside
the child. Nothing here knows routing, money or the shape of a client's
request, and nothing here is imported just by naming the package.
"""
