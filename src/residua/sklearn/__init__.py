"""Estimators for scikit-learn: the same networks, training and preprocessing, on arrays.

    from residua.sklearn import SignalClassifier

    model = SignalClassifier(network="resnet1d_wang", epochs=50).fit(X, y)
    model.score(X_test, y_test)

See docs/sklearn.md. The estimator for aeon is in `residua.sklearn.aeon`.
"""

from residua.sklearn.classifiers import ImageClassifier, SignalClassifier
from residua.sklearn.regressor import SignalRegressor

__all__ = ["ImageClassifier", "SignalClassifier", "SignalRegressor"]
