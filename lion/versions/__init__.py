"""What differs between versions, and what a change would cost: DVC's facts made readable."""
