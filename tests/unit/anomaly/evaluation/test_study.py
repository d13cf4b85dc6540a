import pytest

from scananalysis.anomaly import load
from scananalysis.anomaly.evaluation import evaluate
from scananalysis.anomaly.evaluation.scoring import apart
from scananalysis.core import ConfigurationError, Declaration
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


def test_undeclared_goods_are_as_far_apart_as_the_strangest_of_them():
    papers = Declaration.model_validate({"items": [{"hs_code": "1001"}, {"hs_code": "6109"}]})
    assert apart(["1001"], papers) is None
    assert apart(None, papers) is None
    near, far = apart(["1701"], papers), apart(["1701", "7208", "1001"], papers)
    assert near is not None
    assert 0 < near < 2 < far
