"""fastai.basics: DataLoaders, a Learner, fit_one_cycle at its default rate."""

import fastai.callback.schedule  # noqa: F401 (adds fit_one_cycle to Learner)
from fastai.basics import Callback, CrossEntropyLossFlat, DataLoader, DataLoaders, Learner, set_seed
from torch.utils.data import TensorDataset

from benchmarks.peers.common import Watch, hits, mnist5k, task, two_conv

wanted = task()
set_seed(int(str(wanted["seed"])))
x, y, test_x, test_y = mnist5k()
batch = int(str(wanted["batch"]))
train = DataLoader(TensorDataset(x, y), bs=batch, shuffle=True, num_workers=0)
valid = DataLoader(TensorDataset(test_x[:64], test_y[:64]), bs=64, num_workers=0)
watch = Watch(len(x), wanted.get("target"))  # type: ignore[arg-type]


class Clock(Callback):  # type: ignore[misc]
    """Counts the seconds of each epoch."""

    def before_train(self) -> None:
        if watch.epochs == 0:
            watch.__init__(len(x), watch.target)  # type: ignore[misc]

    def after_train(self) -> None:
        watch.epoch_done(lambda: hits(self.learn.model.eval(), test_x, test_y), len(test_y))


learner = Learner(DataLoaders(train, valid), two_conv(), loss_func=CrossEntropyLossFlat(), cbs=[Clock()])
learner.remove_cbs([cb for cb in learner.cbs if cb.name == "progress"])
learner.logger = lambda *values: None
learner.recorder.silent = True
learner.fit_one_cycle(int(str(wanted["epochs"])), 3e-3)
watch.print(hits(learner.model.eval(), test_x, test_y), len(test_y))
