"""The configuration: what is written reads back the same, what is misspelt is told, what is impossible is refused."""

from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.engine.config import Config, config_to_toml, known_keys, parse_settings, read_config, validate_config

ODD = [
    'a "b" \\ c',
    "tab\tline\nend\r",
    "ñ “x” 你好 🦎",
    "\x00\x01\x1f\x7f\x80",
    "= # [x] '''",
    "",
    " ",
    "C:\\new\\u0041",
]


def refused(changes: dict[str, object]) -> CapasError:
    with pytest.raises(CapasError) as caught:
        Config().merged(changes)
    return caught.value


@pytest.mark.parametrize("text", ODD)
def test_any_text_survives_toml(text: str, tmp_path: Path) -> None:
    config = Config().merged({"data.source": text, "data.target": text})
    (tmp_path / "plan.toml").write_bytes(config_to_toml(config).encode())
    assert read_config(tmp_path / "plan.toml") == config


def test_every_value_survives_toml(tmp_path: Path) -> None:
    config = Config().merged(
        {
            "data.task": "classify",
            "data.group": "patient",
            "data.validation": 0.1234567890123,
            "data.image_size": 96,
            "network.pretrained": False,
            "augment.flip": True,
            "augment.crop": 1e-05,
            "optim.learning_rate": 3e-4,
            "train.epochs": 2.5,
            "train.seed": 2**62,
            "train.time_s": 1e6,
            "execution.threads": 3,
        }
    )
    (tmp_path / "plan.toml").write_text(config_to_toml(config))
    assert read_config(tmp_path / "plan.toml") == config
    assert read_config(tmp_path / "plan.toml").data.image_size == 96


def test_the_file_names_every_key_that_is_set_and_says_what_it_means() -> None:
    text = config_to_toml(Config())
    unset = {"data.sheet", "data.target", "data.task", "data.group"}
    written, section = set(), ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line:
            written.add(f"{section}.{line.split(' = ')[0]}")
    assert written == set(known_keys()) - unset
    assert 'learning_rate = "auto"  # the peak of the one-cycle schedule' in text


def test_settings_are_toml_values_or_plain_text() -> None:
    given = ["a.b=3", "a.c = 0.5", "x.y=true", 'q.r="3"', "n.m=lenet-5", "e.f=", "t.u=a=b", "l.o=auto"]
    assert parse_settings(given) == {
        "a.b": 3, "a.c": 0.5, "x.y": True, "q.r": "3", "n.m": "lenet-5", "e.f": "", "t.u": "a=b", "l.o": "auto",
    }  # fmt: skip
    for wrong in ("train.epochs", "3"):
        with pytest.raises(CapasError) as caught:
            parse_settings([wrong])
        assert caught.value.key == "plan_setting"


def test_a_change_keeps_the_rest() -> None:
    before = Config().merged({"train.epochs": 3, "network.name": "lenet-5"})
    after = before.merged({"train.seed": 7})
    assert (after.train.epochs, after.train.seed, after.network.name) == (3, 7, "lenet-5")
    assert before.train.seed == 1 and Config().merged({}) == Config()


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("train.epoch", "train.epochs"),
        ("epochs", "train.epochs"),
        ("optim.lr", "optim.clip"),
        ("learning_rate", "optim.learning_rate"),
        ("train.learning_rate", "optim.learning_rate"),
        ("networks.name", "network.name"),
        ("augment.flips", "augment.flip"),
        ("xyzzy", "train.epochs"),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, nearest: str) -> None:
    error = refused({key: 1})
    assert (error.key, error.received) == ("plan_key", key)
    assert error.values["nearest"] in known_keys()
    if key != "optim.lr":
        assert error.values["nearest"] == nearest


def test_unknown_keys_in_a_file_name_the_nearest_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    for text, nearest in (("[train]\nepoch = 3\n", "train.epochs"), ("[trian]\nepochs = 3\n", "")):
        path.write_text(text)
        with pytest.raises(CapasError) as caught:
            read_config(path)
        assert caught.value.key == "plan_key" and str(path) in caught.value.where
        assert not nearest or caught.value.values["nearest"] == nearest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.epochs", "many"), ("train.epochs", -1), ("train.epochs", 0), ("train.seed", -1), ("train.seed", 1.5),
        ("train.batch_size", 0), ("train.batch_size", -4), ("train.checkpoint_s", -1), ("data.validation", 1.0),
        ("data.test", 0), ("data.image_size", 0), ("data.image_size", -3), ("data.fit", "bend"),
        ("optim.optimizer", "magic"), ("optim.learning_rate", -0.1), ("optim.learning_rate", float("nan")),
        ("optim.learning_rate", float("inf")), ("optim.weight_decay", -1), ("optim.ema", 1.0), ("optim.warmup", 1.0),
        ("augment.flip", "perhaps"), ("augment.crop", 2), ("augment.cutout", -0.5), ("augment.colour", 7),
        ("augment.rotate", 200), ("augment.mixup", -1), ("objective.label_smoothing", 1), ("execution.threads", 0),
        ("execution.precision", "float8"), ("network.width", -1), ("network.name", 3),
    ],
)  # fmt: skip
def test_impossible_values_are_refused_with_key_value_and_reason(key: str, value: object) -> None:
    error = refused({key: value})
    assert error.key == "plan_value" and key in error.where and str(value) in error.received
    assert "section.key" not in str(error) and error.values["reason"]


def test_the_reason_tells_all_that_would_be_possible() -> None:
    assert "“auto”" in str(refused({"train.epochs": "many"})) and "number" in str(refused({"train.epochs": "many"}))


def test_broken_files_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    for content in (b"[train\n", b"\xff\xfe", b"[train]\nepochs = \n", b"x = 1\nx = 2\n"):
        path.write_bytes(content)
        with pytest.raises(CapasError) as caught:
            read_config(path)
        assert caught.value.key == "plan_unreadable"
    with pytest.raises(CapasError) as caught:
        read_config(tmp_path / "nothing.toml")
    assert caught.value.key == "plan_unreadable"
    path.write_text("train = 3\n")
    with pytest.raises(CapasError) as caught:
        read_config(path)
    assert caught.value.key == "plan_value"


def test_a_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Config().train, "seed", 3)  # noqa: B010
    assert validate_config({}, where="nowhere") == Config()
