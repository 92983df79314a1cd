"""Pools and students in Hugging Face's form: folders that its tools read. Nothing is uploaded."""
