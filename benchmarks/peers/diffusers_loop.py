"""Diffusion as diffusers' unconditional training script has it: UNet2DModel, DDPMScheduler, AdamW, EMAModel; and DDIM's
20 steps to draw.
"""

import json
import time

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel

from benchmarks.peers.common import mnist5k, task

wanted = task()
torch.manual_seed(int(str(wanted["seed"])))
steps, batch, drawn = (int(str(wanted[name])) for name in ("steps", "batch", "drawn"))
images = mnist5k()[0]
images = (images - images.min()) / (images.max() - images.min()) * 2 - 1
network = UNet2DModel(
    sample_size=28, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(32, 64, 64),
    down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), norm_num_groups=8, attention_head_dim=64,
)  # fmt: skip
scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
average = EMAModel(network.parameters(), decay=0.995)


def correct(step: int) -> None:
    """One correction."""
    chosen = torch.randint(len(images), (batch,))
    clean, noise = images[chosen], torch.randn(batch, 1, 28, 28)
    times = torch.randint(1000, (batch,))
    predicted = network(scheduler.add_noise(clean, noise, times), times).sample
    loss = F.mse_loss(predicted, scheduler.get_velocity(clean, noise, times))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    average.step(network.parameters())


for step in range(3):
    correct(step)
started = time.perf_counter()
for step in range(steps):
    correct(step)
training = steps * batch / (time.perf_counter() - started)
network.eval()
sampler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
sampler.set_timesteps(20)
started = time.perf_counter()
with torch.no_grad():
    x = torch.randn(drawn, 1, 28, 28)
    for t in sampler.timesteps:
        x = sampler.step(network(x, t).sample, t, x).prev_sample
sampling = drawn / (time.perf_counter() - started)
parameters = sum(p.numel() for p in network.parameters())
print(json.dumps({"train_images_per_s": training, "drawn_per_s": sampling, "parameters": parameters}))
