"""What a request is about: its task, how sure that is, and how complex it is.

Structure first (tool results or calls in play, images), then the last user turn: words that
name the task, else trained weights; what stays unsure is ``chat``. Pure Python, a fraction
of a millisecond: a text is cut before it is read. Models and prices are not known here.
"""

from freeloader.core.task.detect import TASKS, Task, detect

__all__ = ["TASKS", "Task", "detect"]
