"""What keeps strangers and oversized requests out, before any route runs."""
