"""Differences between versions, and the cost of a change, from DVC's data in readable form."""
