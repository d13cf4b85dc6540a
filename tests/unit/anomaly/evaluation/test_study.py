import pytest

from scananalysis.anomaly import load
from scananalysis.anomaly.evaluation import evaluate
from scananalysis.core import ConfigurationError
from scananalysis.datasets import read_recipe


def test_models_of_one_name_need_labels():
    model = load("mahalanobis")
    recipe, settings = (
        read_recipe("declared-cargo"),
        {"scanner": "parcel-160kv", "clean": 2, "per_fraud": 1, "workers": 1},
    )
    with pytest.raises(ConfigurationError, match="2 models with 1 names"):
        evaluate([model, model], recipe, "test", **settings)
    found = evaluate({"shipped": model, "own": model}, recipe, "test", **settings)
    assert set(found["models"]) == {"shipped", "own"}
    assert found["rates"]["shipped"] == found["rates"]["own"]
