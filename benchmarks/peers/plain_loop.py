"""A plain PyTorch loop, as the tutorials have it: DataLoader, Adam, zero_grad, backward, step."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.common import Watch, hits, mnist5k, task, two_conv

wanted = task()
torch.manual_seed(int(str(wanted["seed"])))
x, y, test_x, test_y = mnist5k()
loader = DataLoader(TensorDataset(x, y), batch_size=int(str(wanted["batch"])), shuffle=True)
network = two_conv()
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
watch = Watch(len(x), wanted.get("target"))  # type: ignore[arg-type]
for _ in range(int(str(wanted["epochs"]))):
    network.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(network(images), labels)
        loss.backward()
        optimizer.step()
    network.eval()
    watch.epoch_done(lambda: hits(network, test_x, test_y), len(test_y))
watch.print(hits(network, test_x, test_y), len(test_y))
