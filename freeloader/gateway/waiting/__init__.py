"""Where requests wait that found every candidate full for a moment: one room for all."""

from freeloader.gateway.waiting.behind import Behind, money_claim
from freeloader.gateway.waiting.room import Room, Seat
from freeloader.gateway.waiting.turn import Turn

__all__ = ["Behind", "Room", "Seat", "Turn", "money_claim"]
