"""A whole run in Python: train on the built-in digits, look at the scores, ask for an answer.

python examples/train_and_predict.py [epochs]
"""

import sys
from dataclasses import replace

import residua
from residua.recipes.presets import fast


def main(epochs: int = 5) -> None:
    recipe = fast()
    recipe = replace(
        recipe,
        method=replace(recipe.method, label_smoothing=0.1),
        training=replace(recipe.training, epochs=epochs, ema=0.9),
    )
    run = residua.train("digits", recipe=recipe)
    scores = run.evaluate("test")
    low, high = scores.accuracy_ci95
    print(f"{scores.accuracy:.1%} [{low:.1%}, {high:.1%}] of {scores.n} test digits")
    print("report:", run.report())


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
