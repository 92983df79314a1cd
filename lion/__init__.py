"""Lion: a loop that distils a proprietary LLM into a small open student."""
