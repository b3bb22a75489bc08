"""Signals in scikit-learn: a grid search over made sensor data of unequal lengths.

python examples/sklearn_signals.py
"""

import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split

from residua.sklearn import SignalClassifier


def make_series(count: int = 90) -> tuple[list[np.ndarray], np.ndarray]:
    """Two channels of 40 to 80 steps: a slow wave, a fast one, or one that becomes faster."""
    generator = np.random.default_rng(0)
    names = np.array(["slow", "fast", "chirp"])[generator.integers(0, 3, count)]
    series: list[np.ndarray] = []
    for name in names:
        t = np.arange(generator.integers(40, 80))
        speed = {"slow": 0.2 * t, "fast": 0.6 * t, "chirp": 0.005 * t**2}[name]
        angle = speed + generator.uniform(0, 2 * np.pi)
        noise = generator.normal(0, 0.3, (2, len(t)))
        series.append(np.stack([np.sin(angle), np.cos(angle)]) + noise)
    return series, names


def main() -> None:
    X, y = make_series()
    train, test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    model = SignalClassifier(network="resnet1d_wang", epochs=8, batch_size=16, random_state=0)
    search = GridSearchCV(model, {"lr": [1e-4, 2e-3]}, cv=2)
    search.fit(train, y_train)
    print("best:", search.best_params_)
    print(f"accuracy on {len(test)} held-out series: {search.score(test, y_test):.2f}")
    for name, shares in zip(y_test[:3], search.predict_proba(test[:3]), strict=True):
        said = ", ".join(
            f"{each} {share:.2f}" for each, share in zip(search.classes_, shares, strict=True)
        )
        print(f"{name}: {said}")


if __name__ == "__main__":
    main()
