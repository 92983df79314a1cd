"""Export of pools and students as folders that Hugging Face's tools read; no upload."""
