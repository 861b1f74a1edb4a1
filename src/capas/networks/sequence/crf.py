"""Linear-chain conditional random field: Lafferty, McCallum & Pereira, "Conditional Random Fields", ICML 2001, as the
last layer of a network: Lample et al., "Neural Architectures for Named Entity Recognition", NAACL 2016, Section 2.2.

    score(y) = start[y_1] + Σ_t emission[t, y_t] + Σ_t transition[y_t, y_t+1] + end[y_n],   P(y | x) = exp score(y) / Z

Z, the marginals P(y_t | x) and the best path come from recursions over t (forward–backward, Viterbi) in O(T K²).
What ``forbidden`` rules out has probability zero: its score is so low that float32 adds nothing for it.

Shapes: B sequences, T steps, K labels. ``mask_BT`` is true on a sequence's own steps: a prefix of at least one.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

# Lower than any path's score, and its sum over thousands of steps is still finite in float32.
FORBIDDEN_SCORE = -1e4


class LinearChainCRF(nn.Module):
    """Scores of transitions between K labels; ``transitions`` (K, K) from row to column, ``start`` and ``end`` (K).

    ``forbidden`` (K, K) and ``forbidden_start`` (K) are true where one label may not follow another, or begin.
    """

    def __init__(
        self, num_labels: int, *, forbidden: Tensor | None = None, forbidden_start: Tensor | None = None
    ) -> None:
        super().__init__()
        if num_labels < 1:
            raise ValueError(f"num_labels is {num_labels}; expected 1 or more")
        self.start = nn.Parameter(torch.empty(num_labels).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(num_labels).uniform_(-0.1, 0.1))
        self.transitions = nn.Parameter(torch.empty(num_labels, num_labels).uniform_(-0.1, 0.1))
        self.forbidden: Tensor
        self.forbidden_start: Tensor
        for name, given, shape in (
            ("forbidden", forbidden, (num_labels, num_labels)),
            ("forbidden_start", forbidden_start, (num_labels,)),
        ):
            rule = torch.zeros(shape, dtype=torch.bool) if given is None else given
            if rule.shape != shape or rule.dtype != torch.bool:
                raise ValueError(f"{name} is {rule.dtype} {tuple(rule.shape)}; expected bool {shape}")
            self.register_buffer(name, rule, persistent=False)

    def log_likelihood(
        self, emissions_BTK: Float[Tensor, "B T K"], labels_BT: Int[Tensor, "B T"], mask_BT: Bool[Tensor, "B T"]
    ) -> Float[Tensor, " B"]:
        """Return log P(labels | emissions) in nats, ≤ 0. Labels beyond the mask are not read (but must be 0..K-1).

        A path that ``forbidden`` rules out raises no error: its log-likelihood is about -10,000 per violation.
        """
        return self.score(emissions_BTK, labels_BT, mask_BT) - self.log_partition(emissions_BTK, mask_BT)

    def score(
        self, emissions_BTK: Float[Tensor, "B T K"], labels_BT: Int[Tensor, "B T"], mask_BT: Bool[Tensor, "B T"]
    ) -> Float[Tensor, " B"]:
        """Return the unnormalised log-score of one path per sequence."""
        _check_mask(mask_BT)
        start, transitions = self._ruled()
        seen = emissions_BTK.gather(2, labels_BT[:, :, None])[:, :, 0]
        moved = transitions[labels_BT[:, :-1], labels_BT[:, 1:]]
        last = labels_BT.gather(1, mask_BT.sum(1, keepdim=True) - 1)[:, 0]
        within = seen.where(mask_BT, 0.0).sum(1) + moved.where(mask_BT[:, 1:], 0.0).sum(1)
        return start[labels_BT[:, 0]] + within + self.end[last]

    def log_partition(self, emissions_BTK: Float[Tensor, "B T K"], mask_BT: Bool[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Return log Z in nats, over all paths (the forward recursion)."""
        _check_mask(mask_BT)
        return (self._forward(emissions_BTK, mask_BT)[-1] + self.end).logsumexp(1)

    def marginals(self, emissions_BTK: Float[Tensor, "B T K"], mask_BT: Bool[Tensor, "B T"]) -> Float[Tensor, "B T K"]:
        """Return P(y_t = k | x) by forward–backward: every step's row sums to one; zero beyond the mask."""
        _check_mask(mask_BT)
        before = torch.stack(self._forward(emissions_BTK, mask_BT), dim=1)
        _, transitions = self._ruled()
        after = self.end.expand(len(emissions_BTK), -1)
        afters = [after]
        for t in range(emissions_BTK.shape[1] - 1, 0, -1):
            arrived = (transitions + (emissions_BTK[:, t] + after)[:, None]).logsumexp(2)
            after = arrived.where(mask_BT[:, t, None], after)
            afters.append(after)
        joint = before + torch.stack(afters[::-1], dim=1)
        return joint.softmax(2).where(mask_BT[:, :, None], 0.0)

    @torch.no_grad()
    def viterbi_decode(
        self, emissions_BTK: Float[Tensor, "B T K"], mask_BT: Bool[Tensor, "B T"]
    ) -> tuple[list[list[int]], Float[Tensor, " B"]]:
        """Return the most probable labels of each sequence, as long as its mask, and their log-scores (Viterbi
        1967).
        """
        _check_mask(mask_BT)
        start, transitions = self._ruled()
        best, pointers = start + emissions_BTK[:, 0], []
        for t in range(1, emissions_BTK.shape[1]):
            arriving, origin = (best[:, :, None] + transitions).max(dim=1)
            best = (arriving + emissions_BTK[:, t]).where(mask_BT[:, t, None], best)
            pointers.append(origin)
        scores, last = (best + self.end).max(dim=1)
        if not pointers:
            return [[label] for label in last.tolist()], scores
        back = torch.stack(pointers, dim=1).tolist()
        lengths = mask_BT.sum(1).tolist()
        return [_walk(one, label, n) for one, label, n in zip(back, last.tolist(), lengths, strict=True)], scores

    def _ruled(self) -> tuple[Tensor, Tensor]:
        return (
            self.start.masked_fill(self.forbidden_start, FORBIDDEN_SCORE),
            self.transitions.masked_fill(self.forbidden, FORBIDDEN_SCORE),
        )

    def _forward(self, emissions_BTK: Tensor, mask_BT: Tensor) -> list[Tensor]:
        # The log-sum of all paths' scores that reach label k at step t; beyond its end a sequence's stand still.
        start, transitions = self._ruled()
        sums = [start + emissions_BTK[:, 0]]
        for emission_BK, here_B1 in zip(emissions_BTK.unbind(1)[1:], mask_BT[:, :, None].unbind(1)[1:], strict=True):
            arriving = (sums[-1][:, :, None] + transitions).logsumexp(1) + emission_BK
            sums.append(arriving.where(here_B1, sums[-1]))
        return sums


def _walk(pointers: list[list[int]], last: int, length: int) -> list[int]:
    path = [last]
    for t in range(length - 1, 0, -1):
        path.append(pointers[t - 1][path[-1]])
    return path[::-1]


def _check_mask(mask_BT: Tensor) -> None:
    if not mask_BT[:, 0].all() or (mask_BT[:, 1:] & ~mask_BT[:, :-1]).any():
        raise ValueError("the mask of a sequence must be true from its first step to its last, without gaps")
