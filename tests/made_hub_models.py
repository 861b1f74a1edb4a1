"""Models in Hugging Face's format, tiny and random, saved where a test wants them."""

from pathlib import Path
from typing import Any

import torch

SMALL: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "moon"]
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
TEXT = {**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": 16}


def save_tokenizer(folder: Path) -> Any:
    """Save a BERT tokenizer of ``WORDS`` and return it."""
    import transformers

    folder.mkdir(exist_ok=True, parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_vit(folder: Path, seed: int = 0) -> Path:
    """Save a ViT of 32×32 pixels with vectors of 16 numbers."""
    import transformers

    torch.manual_seed(seed)
    transformers.ViTModel(transformers.ViTConfig(**VISION)).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_bert(folder: Path, seed: int = 0) -> Path:
    """Save a BERT of eight words and 16 places with vectors of 16 numbers."""
    import transformers

    torch.manual_seed(seed)
    save_tokenizer(folder)
    transformers.BertModel(transformers.BertConfig(**TEXT)).save_pretrained(folder)
    return folder


def save_wav2vec2(folder: Path, seed: int = 0) -> Path:
    """Save a Wav2Vec2 with vectors of 16 numbers."""
    import transformers

    torch.manual_seed(seed)
    audio = {
        **SMALL, "conv_dim": (8, 8), "conv_kernel": (10, 3), "conv_stride": (5, 2), "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
    }  # fmt: skip
    transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**audio)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def save_clip(folder: Path, seed: int = 0) -> Path:
    """Save a CLIP of 32×32 pixels and eight words with vectors of 8 numbers."""
    import transformers

    torch.manual_seed(seed)
    save_tokenizer(folder)
    config = transformers.CLIPConfig(
        text_config={**TEXT, "eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0}, vision_config=VISION,
        projection_dim=8,
    )  # fmt: skip
    transformers.CLIPModel(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder
