"""A small CNN that trains on one fold in seconds and predicts the held-out examples."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from capas.networks.vision.two_conv import TwoConvConfig, TwoConvNet

SIDE = 28
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 5, 64, 6e-3, 0.05


def fit_predict_small_cnn(
    images: Float[Tensor, "N C H W"],
    labels: Int[Tensor, " N"],
    num_classes: int,
    train_indices: Int[Tensor, " L"],
    test_indices: Int[Tensor, " M"],
    rng: torch.Generator,
) -> Float[Tensor, "M K"]:
    """Train two convolutions for five epochs on the images ``train_indices``; return the probabilities of
    ``test_indices``.

    Images are resized to 28×28.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=rng)))
        network = TwoConvNet(TwoConvConfig(in_channels=images.shape[1], num_classes=num_classes, image_size=SIDE))
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    size = min(BATCH, len(train_indices))
    steps = max(1, EPOCHS * len(train_indices) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < size:
            order = train_indices[torch.randperm(len(train_indices), generator=rng)]
        rows, order = order[:size], order[size:]
        loss = F.cross_entropy(network(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        return torch.cat([network(images[part]).softmax(1) for part in torch.split(test_indices, 500)])


def standardized_images(images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C h w"]:
    """Return images at 28×28, with a mean of 0 and a standard deviation of 1 over all."""
    size = (SIDE, SIDE)
    if tuple(images.shape[2:]) != size:
        images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
    return (images - images.mean()) / images.std().clamp(min=1e-6)
