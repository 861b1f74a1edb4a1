"""The methods that learn without labels, by name: a literal table from ``method.name`` to its objective."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.engine.recipes.embedding.encoders import AUTOENCODER
from capas.networks.representation.causal_context import CausalContext
from capas.networks.representation.deep_autoencoder import DeepAutoencoder
from capas.networks.representation.heads import (
    byol_predictor,
    byol_projector,
    context_head,
    jigsaw_head,
    simclr_projector,
)
from capas.networks.representation.image_decoder import ImageDecoder
from capas.networks.representation.masked_autoencoder import MaskedAutoencoder
from capas.networks.vision.vit import VisionTransformer
from capas.objectives.autoencoding import CLEAN, VINCENT, Autoencoding, Corruption, ReconstructionLoss
from capas.objectives.base import Objective
from capas.objectives.self_supervised.byol import BYOL
from capas.objectives.self_supervised.context_prediction import ContextPrediction
from capas.objectives.self_supervised.cpc import CPC, DISTANCES, Layout
from capas.objectives.self_supervised.inpainting import Inpainting
from capas.objectives.self_supervised.jigsaw import MAX_PERMUTATIONS, Jigsaw
from capas.objectives.self_supervised.mae import MAE
from capas.objectives.self_supervised.simclr import SimCLR

DOCUMENT_MASKED: Final = 0.5  # of the words that a document has; a quarter, as of pixels, teaches less


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretext:
    """What a method needs to know.

    Attributes:
        encoder: Images (B, C, H, W), or documents as shares of words (B, V) → features (B, D).
        feature_dim: D.
        shape: (C, H, W) of the images, or (V,).
        medium: What the images are: pictures, or spectrograms whose last axis is time.
        layer_wise: Whether an autoencoder learns one layer after the other first.
    """

    encoder: nn.Module
    feature_dim: int
    shape: tuple[int, ...]
    medium: Layout = "image"
    layer_wise: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingMethod:
    """A row of the table.

    Attributes:
        build: Makes the objective.
        two_views: Whether it learns from two views of an example, or from the example itself.
        media: What it learns from.
        network: The image network that it is usually learnt with.
        paper: Citation.
        minimum_size: Smallest images, in pixels a side.
    """

    build: Callable[[Pretext], Objective[object]]
    two_views: bool
    media: tuple[str, ...]
    network: str
    paper: str
    minimum_size: int = 1


def _simclr(of: Pretext) -> Objective[object]:
    return cast(Objective[object], SimCLR(of.encoder, simclr_projector(of.feature_dim)))


def _byol(of: Pretext) -> Objective[object]:
    return cast(Objective[object], BYOL(of.encoder, byol_projector(of.feature_dim), byol_predictor(of.feature_dim)))


def _mae(of: Pretext) -> Objective[object]:
    assert isinstance(of.encoder, VisionTransformer)
    return cast(Objective[object], MAE(MaskedAutoencoder(of.encoder)))


def _context(of: Pretext) -> Objective[object]:
    return cast(Objective[object], ContextPrediction(of.encoder, context_head(of.feature_dim)))


def _jigsaw(of: Pretext) -> Objective[object]:
    head = jigsaw_head(of.feature_dim, MAX_PERMUTATIONS)
    return cast(Objective[object], Jigsaw(of.encoder, head))


def _cpc(of: Pretext) -> Objective[object]:
    context = CausalContext(of.feature_dim, DISTANCES)
    return cast(Objective[object], CPC(of.encoder, context, layout=of.medium))


def _inpaint(of: Pretext) -> Objective[object]:
    channels, height, width = of.shape
    decoder = ImageDecoder(of.feature_dim, channels=channels, height=height, width=width)
    return cast(Objective[object], Inpainting(of.encoder, decoder))


def _autoencoder(of: Pretext, corruption: Corruption = CLEAN) -> Objective[object]:
    assert isinstance(of.encoder, DeepAutoencoder)
    # Strokes on paper are nearly black or white, each pixel a probability; photographs are measured values.
    loss: ReconstructionLoss = "cross_entropy" if of.shape[0] == 1 else "squared_error"
    if of.encoder.config.output == "softmax":
        # Most words of the vocabulary are not in a document: noise on them would be words it does not have.
        loss = "multinomial"
        corruption = replace(corruption, noise=0.0, masked=DOCUMENT_MASKED if corruption.masked else 0.0)
    return cast(Objective[object], Autoencoding(of.encoder, loss=loss, corruption=corruption, layer_wise=of.layer_wise))


def _denoising(of: Pretext) -> Objective[object]:
    return _autoencoder(of, VINCENT)


METHODS: Final[Mapping[str, EmbeddingMethod]] = {
    "simclr": EmbeddingMethod(
        build=_simclr, two_views=True, media=("image", "audio"), network="compact",
        paper="Chen et al., A Simple Framework for Contrastive Learning, ICML 2020, arXiv:2002.05709",
    ),
    "byol": EmbeddingMethod(
        build=_byol, two_views=True, media=("image", "audio"), network="compact",
        paper="Grill et al., Bootstrap Your Own Latent, NeurIPS 2020, arXiv:2006.07733",
    ),
    "context": EmbeddingMethod(
        build=_context, two_views=False, media=("image",), network="compact", minimum_size=24,
        paper="Doersch et al., Unsupervised Visual Representation Learning by Context Prediction, ICCV 2015",
    ),
    "jigsaw": EmbeddingMethod(
        build=_jigsaw, two_views=False, media=("image",), network="compact", minimum_size=24,
        paper="Noroozi & Favaro, Unsupervised Learning by Solving Jigsaw Puzzles, ECCV 2016, arXiv:1603.09246",
    ),
    "cpc": EmbeddingMethod(
        build=_cpc, two_views=False, media=("image", "audio"), network="compact", minimum_size=16,
        paper="van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018, arXiv:1807.03748",
    ),
    "inpaint": EmbeddingMethod(
        build=_inpaint, two_views=False, media=("image", "audio"), network="compact",
        paper="Pathak et al., Context Encoders: Feature Learning by Inpainting, CVPR 2016, arXiv:1604.07379",
    ),
    "mae": EmbeddingMethod(
        build=_mae, two_views=False, media=("image",), network="vit",
        paper="He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv:2111.06377",
    ),
    "autoencoder": EmbeddingMethod(
        build=_autoencoder, two_views=False, media=("image", "text"), network=AUTOENCODER,
        paper="Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 2006",
    ),
    "denoising": EmbeddingMethod(
        build=_denoising, two_views=False, media=("image", "text"), network=AUTOENCODER,
        paper="Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders, ICML 2008",
    ),
}  # fmt: skip


def embedding_objective(name: str, pretext: Pretext, seed: int) -> Objective[object]:
    """Return the objective of a method; its further networks have weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(seed, "heads"))
    return METHODS[name].build(pretext)
