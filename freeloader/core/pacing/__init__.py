"""Pacing of free quotas: what is asked over a day, and whom a window is kept from. Pure."""
