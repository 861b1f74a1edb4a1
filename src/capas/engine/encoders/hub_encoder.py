"""Encoders in Hugging Face's format: images, texts, sounds, or pairs of image and text such as CLIP and SigLIP.

Only safetensors and JSON are fetched and read: no pickle, no code of a repository. ``transformers`` builds the network
and preprocesses; what is one vector of an example is read from the model's own files where they say it:

- a joint model (``get_image_features`` …) has vectors for both media in one space;
- a Sentence-Transformers folder says in ``1_Pooling`` which tokens count;
- else an image is the model's pooled output or the mean of its places, a text the mean of its tokens, a sound the mean
  of its frames.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.core.files import content_hash, hash_file, is_folder, read_regular
from capas.core.spec import Medium
from capas.data.audio.io import read_audio
from capas.engine.recipe import Item
from capas.engine.recipes.shared.image_items import read_image_item, with_channels
from capas.engine.recipes.shared.text_items import read_text_item

PATTERNS: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "README.md")
MAX_SECONDS: Final = 30.0
BATCH: Final = 32
_MEDIA: Final[dict[str, Medium]] = {
    "pixel_values": "image", "input_ids": "text", "input_values": "audio", "input_features": "audio",
}  # fmt: skip
_JOINT: Final[dict[Medium, str]] = {
    "image": "get_image_features", "audio": "get_audio_features", "text": "get_text_features",
}  # fmt: skip


class HubFeatures(nn.Module):
    """The network of a model in Hugging Face's format, from its inputs to one vector of each example.

    Args:
        model: What ``transformers`` built.
        joint: Whether it has vectors of two media in one space.
        mean_of_tokens: Whether a text is the mean of its tokens; else the first one's vector.
    """

    def __init__(self, model: nn.Module, *, joint: bool, mean_of_tokens: bool) -> None:
        super().__init__()
        self.model = model
        self.joint = joint
        self.mean_of_tokens = mean_of_tokens

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the vectors (B, D) of inputs by the model's own names, without padding."""
        medium = next(_MEDIA[key] for key in inputs if key in _MEDIA)
        if self.joint:
            found = getattr(self.model, _JOINT[medium])(**inputs)
            result: Tensor = found if isinstance(found, Tensor) else found.pooler_output
            return result.flatten(1)
        outputs = self.model(**inputs)
        pooled: Tensor | None = getattr(outputs, "pooler_output", None)
        hidden: Tensor = outputs.last_hidden_state
        if medium == "text" and not self.mean_of_tokens:
            return hidden[:, 0]
        if medium == "image" and pooled is not None:
            return pooled.flatten(1)
        return hidden.flatten(2).mean(2) if hidden.ndim == 4 else hidden.mean(1)


class HubEncoder:
    """A model in Hugging Face's format as a source of vectors (``Encoder``).

    Attributes:
        truncated: Texts and sounds so far of which the end was not read, because the model takes no more.
        folder: Where its files lie.
    """

    def __init__(self, name: str, folder: Path, model: Any, processors: dict[Medium, Any]) -> None:
        self.name = name
        self.folder = folder
        self.model = model.eval()
        self.processors = processors
        self.truncated = 0
        self.features = HubFeatures(
            self.model, joint=len(processors) > 1, mean_of_tokens=_pools_by_mean(folder)
        ).requires_grad_(False)
        files = sorted(path for pattern in ("*.safetensors", "*.json") for path in folder.glob(pattern))
        self.fingerprint = content_hash("\n".join(f"{path.name} {hash_file(path)}" for path in files).encode())

    @property
    def media(self) -> tuple[Medium, ...]:
        return tuple(self.processors)

    def preprocess(self, content: object, name: str) -> object:
        medium = self._medium_of(content)
        if medium == "image":
            pixels = with_channels(read_image_item(Item(name=name, content=content)), 3)
            return self.processors["image"](images=pixels, return_tensors="pt")
        if medium == "audio":
            return self._sound(content)
        return self._text(read_text_item(Item(name=name, content=content)))

    def _medium_of(self, content: object) -> Medium:
        """Which medium a content is: a joint model of images and texts takes a path for an image."""
        if isinstance(content, str) and "text" in self.processors:
            return "text"
        return next((medium for medium in self.processors if medium != "text"), "text")

    def _sound(self, content: object) -> object:
        extractor = self.processors["audio"]
        if isinstance(content, np.ndarray):
            samples = content
        else:
            samples = read_audio(Path(str(content)), sample_rate=int(extractor.sampling_rate)).samples
        most = int(MAX_SECONDS * extractor.sampling_rate)
        self.truncated += len(samples) > most
        return extractor(samples[:most], sampling_rate=extractor.sampling_rate, return_tensors="pt")

    def _text(self, text: str) -> object:
        tokenizer = self.processors["text"]
        ids = tokenizer(text, truncation=False, verbose=False)["input_ids"]
        longest = self._longest_text()
        self.truncated += len(ids) > longest
        return tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")

    def _longest_text(self) -> int:
        config = getattr(self.model.config, "text_config", self.model.config)
        places = int(getattr(config, "max_position_embeddings", 512))
        # RoBERTa's positions begin behind that of the padding.
        reserved = int(config.pad_token_id or 0) + 1 if getattr(config, "model_type", "") in _SHIFTED else 0
        return min(int(self.processors["text"].model_max_length), places - reserved)

    @torch.no_grad()
    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        # Only inputs of one shape together: what padding would do to batch statistics and masks differs between
        # architectures.
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        inputs: list[Mapping[str, Tensor]] = [dict(cast(Mapping[str, Tensor], one)) for one in prepared]
        for i, one in enumerate(inputs):
            groups[tuple((key, tuple(tensor.shape)) for key, tensor in one.items())].append(i)
        rows: dict[int, Tensor] = {}
        for members in groups.values():
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                batch = {key: torch.cat([inputs[i][key] for i in part]) for key in inputs[part[0]]}
                rows.update(zip(part, self.features(batch), strict=True))
        matrix: NDArray[np.float32] = torch.stack([rows[i] for i in range(len(inputs))]).float().numpy()
        return matrix


_SHIFTED: Final = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})


def _pools_by_mean(folder: Path) -> bool:
    """Whether a Sentence-Transformers folder wants the mean of tokens; the first one's vector otherwise."""
    try:
        tree = json.loads(read_regular(folder / "1_Pooling" / "config.json", max_bytes=100_000))
    except (OSError, ValueError):
        return True
    return not (isinstance(tree, dict) and tree.get("pooling_mode_cls_token"))


def open_hub_encoder(name: str, *, fetch: bool = True) -> HubEncoder:
    """Open "hf:NAME": a local folder, or a repository of the hub, which is fetched once.

    Args:
        name: The name.
        fetch: Whether a repository may be fetched; else it must have been already.

    Raises:
        CapasError: ``extra_missing`` without transformers, ``hub_unreachable``, ``hub_no_safetensors`` where there are
            pickles alone, ``hub_unknown_model`` where transformers does not know the architecture or its own code
            would have to run, ``hub_unreadable``.
    """
    folder = _local_folder(name, fetch)
    if not any(folder.glob("*.safetensors")):
        pickles = [path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".h5")]
        raise CapasError("hub_no_safetensors", where=name, received=", ".join(pickles) or "–")
    return _opened(name, folder, with_weights=True)


def hub_encoder_of_files(name: str, folder: Path) -> HubEncoder:
    """Return an encoder by the files of its folder without the weights, which are random and are to be replaced.

    Raises:
        CapasError: As ``open_hub_encoder``.
    """
    return _opened(name, folder, with_weights=False)


def _opened(name: str, folder: Path, *, with_weights: bool) -> HubEncoder:
    transformers = _transformers(name)
    options = {"trust_remote_code": False, "local_files_only": True}
    with _quiet(transformers), _as_capas_errors(name):
        if with_weights:
            model = transformers.AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **options)
        else:
            config = transformers.AutoConfig.from_pretrained(folder, **options)
            model = transformers.AutoModel.from_config(config, trust_remote_code=False, dtype=torch.float32)
        media = [medium for medium, method in _JOINT.items() if hasattr(model, method)]
        if len(media) < 2:
            media = [_MEDIA[model.main_input_name]]
            if getattr(model.config, "is_encoder_decoder", False):
                model = model.get_encoder()
        processors = {medium: _processor(transformers, medium, folder) for medium in media}
    return HubEncoder(name, folder, model, processors)


def _local_folder(name: str, fetch: bool) -> Path:
    where = name.removeprefix("hf:")
    if where.strip() and is_folder(Path(where).expanduser()):
        return Path(where).expanduser()
    if not where.strip() or where.startswith((".", "/", "~")):
        raise CapasError("no_such_path", where=name)
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise CapasError("extra_missing", where=name, received="huggingface-hub", extra="hub") from error
    try:
        return Path(snapshot_download(where, allow_patterns=list(PATTERNS), local_files_only=not fetch))
    except HFValidationError as error:
        raise CapasError("no_such_path", where=name) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise CapasError("hub_unreachable", where=name, received=str(error).splitlines()[0][:200]) from error


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise CapasError("extra_missing", where=name, received="transformers", extra="hub") from error
    return transformers


def _processor(transformers: Any, medium: Medium, folder: Path) -> Any:
    options = {"trust_remote_code": False, "local_files_only": True}
    if medium == "image":
        return transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", **options)
    if medium == "audio":
        return transformers.AutoFeatureExtractor.from_pretrained(folder, **options)
    return transformers.AutoTokenizer.from_pretrained(folder, **options)


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library's own progress bars and warnings off the screen."""
    logging: Any = transformers.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()


@contextmanager
def _as_capas_errors(name: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise CapasError("hub_unknown_model", where=name, received=str(error)) from error
    except (ValueError, ImportError) as error:
        text = str(error).strip().splitlines()[0][:200]
        key = (
            "hub_unknown_model" if "model type" in str(error) or "trust_remote_code" in str(error) else "hub_unreadable"
        )
        raise CapasError(key, where=name, received=text) from error
    except Exception as error:  # a foreign file may break the library anywhere
        raise CapasError("hub_unreadable", where=name, received=str(error).strip()[:200]) from error
