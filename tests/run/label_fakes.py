"""Run folders that look complete, without any training."""

import json
from pathlib import Path

from residua.recipes.recipe import Recipe


def fake_run(
    folder: Path,
    accuracy: float | None,
    *,
    recipe: Recipe | None = None,
    samples: tuple[int, ...] = (30, 30),
    seconds: float = 6.0,
    n: int = 200,
) -> Path:
    """One line of metrics for each of ``samples``, ten updates a line; accuracy None: no scores,
    as after pre-training."""
    folder.mkdir(parents=True, exist_ok=True)
    (recipe or Recipe()).save(folder / "recipe.json")
    lines = [
        {
            "epoch": number + 1,
            "step": 10 * (number + 1),
            "lr": 0.1,
            "train": {"loss": 1.0, "accuracy": 0.5, "n": count},
            "validation": None,
            "seconds": seconds,
            "samples_per_second": 5.0,
            "peak_memory_bytes": 1,
        }
        for number, count in enumerate(samples)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    test = None if accuracy is None else {"accuracy": accuracy, "n": n}
    (folder / "summary.json").write_text(json.dumps({"steps": 20, "test": test}))
    return folder
