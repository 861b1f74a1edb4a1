"""Models in Hugging Face's format, tiny and random: equal to what transformers itself computes; nothing unsafe read."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from capas.core.errors import CapasError
from capas.engine.encoders.encoder import encode_contents
from capas.representation.encoders import open_encoder
from tests.made_hub_models import save_bert, save_clip, save_vit, save_wav2vec2

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    save_vit(root / "vit")
    save_bert(root / "bert")
    save_wav2vec2(root / "wav2vec2")
    save_clip(root / "clip")
    return root


@torch.no_grad()
def test_images_are_what_the_library_pools(models: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    (vector,) = encode_contents(open_encoder(f"hf:{models / 'vit'}"), [picture])
    model = transformers.ViTModel.from_pretrained(models / "vit").eval()
    processor = transformers.AutoImageProcessor.from_pretrained(models / "vit")
    expected = model(**processor(images=picture, return_tensors="pt")).pooler_output[0]
    np.testing.assert_allclose(vector, expected.numpy(), atol=1e-6)


@torch.no_grad()
def test_texts_are_the_mean_of_their_tokens_or_the_first(models: Path) -> None:
    model = transformers.BertModel.from_pretrained(models / "bert").eval()
    inputs = transformers.AutoTokenizer.from_pretrained(models / "bert")("hello moon", return_tensors="pt")
    hidden = model(**inputs).last_hidden_state[0]
    (mean,) = encode_contents(open_encoder(f"hf:{models / 'bert'}"), ["hello moon"])
    np.testing.assert_allclose(mean, hidden.mean(0).numpy(), atol=1e-6)
    pooling = models / "bert" / "1_Pooling"
    pooling.mkdir()
    (pooling / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    (first,) = encode_contents(open_encoder(f"hf:{models / 'bert'}"), ["hello moon"])
    (pooling / "config.json").unlink()
    np.testing.assert_allclose(first, hidden[0].numpy(), atol=1e-6)


def test_a_text_longer_than_the_model_reads_is_cut_and_counted(models: Path) -> None:
    encoder = open_encoder(f"hf:{models / 'bert'}")
    short, long = encode_contents(encoder, [" ".join(["hello"] * 14), " ".join(["hello"] * 100)])
    np.testing.assert_allclose(short, long, atol=1e-6)
    assert encoder.truncated == 1  # type: ignore[attr-defined]


@torch.no_grad()
def test_sounds_are_the_mean_of_their_frames(models: Path, tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    (vector,) = encode_contents(open_encoder(f"hf:{models / 'wav2vec2'}"), [tmp_path / "a.wav"])
    model = transformers.Wav2Vec2Model.from_pretrained(models / "wav2vec2").eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(models / "wav2vec2")
    inputs = extractor(wave, sampling_rate=16000, return_tensors="pt")
    np.testing.assert_allclose(vector, model(**inputs).last_hidden_state[0].mean(0).numpy(), atol=1e-5)


@torch.no_grad()
def test_a_joint_model_has_one_space_for_both(models: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    encoder = open_encoder(f"hf:{models / 'clip'}")
    assert encoder.media == ("image", "text")
    (seen,), (read,) = encode_contents(encoder, [picture]), encode_contents(encoder, ["hello world"])
    model = transformers.CLIPModel.from_pretrained(models / "clip").eval()
    processor = transformers.AutoImageProcessor.from_pretrained(models / "clip")
    tokens = transformers.AutoTokenizer.from_pretrained(models / "clip")("hello world", return_tensors="pt")
    both = model(**processor(images=picture, return_tensors="pt"), **tokens)
    unit = [vector / np.linalg.norm(vector) for vector in (seen, read)]
    np.testing.assert_allclose(unit[0], both.image_embeds[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(unit[1], both.text_embeds[0].numpy(), atol=1e-5)


def test_pickles_foreign_code_and_broken_files_are_refused(models: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text((models / "vit" / "config.json").read_text())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x02")
    coded = tmp_path / "coded"
    coded.mkdir()
    (coded / "model.safetensors").write_bytes((models / "vit" / "model.safetensors").read_bytes())
    (coded / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoModel": "evil.Model"}}))
    (coded / "evil.py").write_text("raise SystemExit('foreign code ran')")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((models / "vit" / "config.json").read_text())
    (broken / "model.safetensors").write_bytes(b"garbage")
    for folder, key in ((pickled, "hub_no_safetensors"), (coded, "hub_unknown_model"), (broken, "hub_unreadable")):
        with pytest.raises(CapasError) as refused:
            open_encoder(f"hf:{folder}")
        assert refused.value.key == key, str(refused.value)


def test_a_name_of_the_hub_is_fetched_without_pickles_and_code(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, object] = {}

    def stand_in(name: str, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.update(name=name, patterns=allow_patterns, local=local_files_only)
        return str(models / "vit")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", stand_in)
    assert open_encoder("hf:someone/vit-tiny").media == ("image",)
    assert asked["name"] == "someone/vit-tiny" and asked["local"] is False
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in asked["patterns"])  # type: ignore[attr-defined]

    def unreachable(name: str, allow_patterns: list[str], local_files_only: bool) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CapasError) as refused:
        open_encoder("hf:someone/vit-tiny")
    assert refused.value.key == "hub_unreachable"
