"""Keras 3 on its torch backend: a Sequential model, compile, fit."""

import keras
import torch
from keras import layers

from benchmarks.peers.common import Watch, hits, mnist5k, task

wanted = task()
keras.utils.set_random_seed(int(str(wanted["seed"])))
x, y, test_x, test_y = mnist5k()
channels_last, channels_last_test = x.permute(0, 2, 3, 1).numpy(), test_x.permute(0, 2, 3, 1)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10),
    ]
)  # fmt: skip
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
watch = Watch(len(x), wanted.get("target"))  # type: ignore[arg-type]


def right() -> int:
    """Test pictures answered right."""
    return hits(lambda images: torch.as_tensor(model(images, training=False)), channels_last_test, test_y)


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Counts the seconds of each epoch."""

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if epoch == 0:
            watch.__init__(len(x), watch.target)  # type: ignore[misc]

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        watch.epoch_done(right, len(test_y))


model.fit(channels_last, y.numpy(), batch_size=int(str(wanted["batch"])), epochs=int(str(wanted["epochs"])), verbose=0,
          callbacks=[Clock()])  # fmt: skip
watch.print(right(), len(test_y))
