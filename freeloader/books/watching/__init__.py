"""What is noticed of spending: limits that are near, how long a budget lasts, sudden rises."""
