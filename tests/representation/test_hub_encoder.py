"""Models in Hugging Face's format, tiny and random: equal to what transformers itself computes; nothing unsafe read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from capas.core.errors import CapasError
from capas.representation.encoder import encode_contents
from capas.representation.encoders import open_encoder

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")
SMALL: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "moon"]


def save_tokenizer(folder: Path) -> Any:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    text = {**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": 16}
    transformers.ViTModel(transformers.ViTConfig(**vision)).save_pretrained(root / "vit")
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(root / "vit")
    save_tokenizer(root / "bert")
    transformers.BertModel(transformers.BertConfig(**text)).save_pretrained(root / "bert")
    audio = {
        **SMALL, "conv_dim": (8, 8), "conv_kernel": (10, 3), "conv_stride": (5, 2), "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
    }  # fmt: skip
    transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**audio)).save_pretrained(root / "wav2vec2")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(root / "wav2vec2")
    save_tokenizer(root / "clip")
    config = transformers.CLIPConfig(
        text_config={**text, "eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0}, vision_config=vision,
        projection_dim=8,
    )  # fmt: skip
    transformers.CLIPModel(config).save_pretrained(root / "clip")
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(root / "clip")
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

    def stand_in(name: str, allow_patterns: list[str]) -> str:
        asked.update(name=name, patterns=allow_patterns)
        return str(models / "vit")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", stand_in)
    assert open_encoder("hf:someone/vit-tiny").media == ("image",)
    assert asked["name"] == "someone/vit-tiny"
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in asked["patterns"])  # type: ignore[attr-defined]

    def unreachable(name: str, allow_patterns: list[str]) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CapasError) as refused:
        open_encoder("hf:someone/vit-tiny")
    assert refused.value.key == "hub_unreachable"
