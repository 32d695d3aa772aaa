"""What an owner asks of the past: costs and savings over time, single uses, who changed what.

``periods`` understands what people call stretches of time, ``figures`` makes answers
of sums, ``desk`` is where the routes ask. Nothing here changes anything.
"""

from freeloader.manage.reports.desk import Desk

__all__ = ["Desk"]
