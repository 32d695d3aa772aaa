"""One module per API shape: body → Profile, run → bytes. They choose no model."""
