"""Send the same requests with distilabel; benchmarks/chat.py runs this under another interpreter.

python chat_distilabel.py URL COUNT CONCURRENCY PROMPT
"""

import json
import os
import sys
import tempfile
import time

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def main(url: str, count: int, concurrency: int, prompt: str) -> None:
    """Print the number of replies and the seconds that the pipeline took, as one JSON line."""
    rows = [{"instruction": f"Question {row}. {prompt}"} for row in range(count)]
    with Pipeline(name="bench", cache_dir=tempfile.mkdtemp()) as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=concurrency)
        llm = OpenAILLM(
            model="m",
            base_url=url,
            api_key="none",
            max_retries=0,
            generation_kwargs={"max_new_tokens": 256, "temperature": 0.7},
        )
        load >> TextGeneration(llm=llm, input_batch_size=concurrency)
    begun = time.perf_counter()
    result = pipeline.run(use_cache=False)
    seconds = time.perf_counter() - begun
    answered = sum(bool(text) for text in result["default"]["train"]["generation"])
    print(json.dumps({"answered": answered, "seconds": seconds}))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
