"""Lightning: a LightningModule and a Trainer, with everything that only reports switched off."""

import logging
import warnings

import lightning
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.common import Watch, hits, mnist5k, task, two_conv

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Classifier(lightning.LightningModule):
    """The network with its loss and optimiser."""

    def __init__(self) -> None:
        super().__init__()
        self.network = two_conv()

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        return cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)

    def on_train_epoch_start(self) -> None:
        if watch.epochs == 0:
            watch.__init__(len(x), watch.target)  # type: ignore[misc]  # the trainer's own set-up is not counted

    def on_train_epoch_end(self) -> None:
        watch.epoch_done(lambda: hits(self.network.eval(), test_x, test_y), len(test_y))
        self.network.train()


wanted = task()
lightning.seed_everything(int(str(wanted["seed"])), verbose=False)
x, y, test_x, test_y = mnist5k()
loader = DataLoader(TensorDataset(x, y), batch_size=int(str(wanted["batch"])), shuffle=True)
watch = Watch(len(x), wanted.get("target"))  # type: ignore[arg-type]
model = Classifier()
trainer = lightning.Trainer(
    max_epochs=int(str(wanted["epochs"])), accelerator="cpu", logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False,
)  # fmt: skip
trainer.fit(model, loader)
watch.print(hits(model.network.eval(), test_x, test_y), len(test_y))
