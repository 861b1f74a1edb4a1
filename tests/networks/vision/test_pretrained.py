"""The pretrained Lite0: our reading and our network against its publisher's, and photographs it must name."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import pictures
from PIL import Image
from safetensors.torch import load_file

from capas.core.errors import CapasError
from capas.networks.vision import efficientnet_weights
from capas.networks.vision.efficientnet_weights import LITE0_MEAN, LITE0_SCALE, PACKAGE, lite0_file, pretrained_lite0

needs_weights = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="needs the extra: samples")


@needs_weights
@pytest.mark.parametrize("size", [224, 97])
def test_logits_equal_the_publishers(size: int, fixtures: Path) -> None:
    """An even and an odd size: TensorFlow's padding differs between them."""
    expected = load_file(fixtures / "efficientnet-lite0-pretrained.safetensors")[f"logits_{size}"]
    with torch.no_grad():
        logits = pretrained_lite0()(pictures((1, 3, size, size)).float())
    assert expected.std() > 0.5
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@needs_weights
@pytest.mark.parametrize(("photo", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967})])
def test_photographs_are_named(photo: str, classes: set[int], fixtures: Path) -> None:
    """ImageNet's 281, 282, 285 are tabby, tiger cat, Egyptian cat; 967 is espresso."""
    with Image.open(fixtures / f"{photo}.jpg") as opened:
        pixels = np.array(opened.convert("RGB"), dtype=np.float32)
    images = torch.from_numpy((pixels - LITE0_MEAN) / LITE0_SCALE).permute(2, 0, 1)[None]
    with torch.no_grad():
        probabilities = pretrained_lite0()(images).softmax(dim=1)[0]
    assert int(probabilities.argmax()) in classes
    assert probabilities[list(classes)].sum() > 0.7


@needs_weights
def test_other_classes_keep_all_but_the_head() -> None:
    whole, transferred = pretrained_lite0().state_dict(), pretrained_lite0(num_classes=3).state_dict()
    for name, value in whole.items():
        if name.startswith("classifier"):
            assert transferred[name].shape[0] == 3
        else:
            assert torch.equal(transferred[name], value), name


@needs_weights
def test_nothing_is_unpickled_or_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something unpickles")

    for place in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load"):
        monkeypatch.setattr(place, refuse)
    pretrained_lite0(num_classes=2)
    assert PACKAGE not in sys.modules


@needs_weights
def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    content = bytearray(lite0_file().read_bytes())
    content[-1] ^= 1
    changed = tmp_path / "weights.pth"
    changed.write_bytes(content)
    with pytest.raises(CapasError) as caught:
        pretrained_lite0(file=changed)
    assert caught.value.key == "weights_changed"
    assert str(changed) in str(caught.value)


def test_missing_weights_are_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CapasError) as caught:
        pretrained_lite0(file=tmp_path / "none.pth")
    assert caught.value.key == "weights_missing"
    monkeypatch.setattr(efficientnet_weights, "PACKAGE", "no_such_package_here")
    with pytest.raises(CapasError) as caught:
        lite0_file()
    assert caught.value.key == "weights_missing"
    assert "no_such_package_here" in str(caught.value)
