import pytest
from pydantic import BaseModel, ConfigDict

from scananalysis.core import ConfigurationError
from scananalysis.core.definitions import read_definition


class Lamp(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = ""
    watts: int = 1


def write(folder, text):
    path = folder / "desk.toml"
    path.write_bytes(text)
    return path


def test_a_name_comes_from_the_file_unless_it_states_one(tmp_path):
    assert read_definition(write(tmp_path, b"watts = 5"), Lamp, expected="a lamp", named=True) == Lamp(
        name="desk", watts=5
    )
    assert read_definition(write(tmp_path, b"name = 'x'"), Lamp, expected="a lamp", named=True).name == "x"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"watts =", "is not TOML"),
        (b"watts = '\xff'", "is not TOML"),
        (b"a = " + b"[" * 5000, "is not TOML"),
        (b"watts = 'many'", r"watts: Input should be"),
        (b"volts = 3", r"volts: Extra inputs"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_file_and_what_was_expected(tmp_path, text, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        read_definition(write(tmp_path, text), Lamp, expected="a lamp")
    assert "desk.toml" in str(caught.value)
    assert "expected a lamp" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match=r"gone\.toml: cannot be read \(No such file"):
        read_definition(tmp_path / "gone.toml", Lamp, expected="a lamp")
