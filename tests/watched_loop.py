"""A training loop in plain PyTorch, watched as `python watched_loop.py TEXT RUN`. It ends when a viewer stops it."""

import sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from engine.torch import Watch

STEPS, BATCH = 20, 4


class Network(torch.nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(size, 12)
        self.gru = torch.nn.GRU(12, 16)
        self.head = torch.nn.Linear(16, size)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.head(self.gru(self.embedding(codes))[0]))


def main(text: str, run: str) -> None:
    torch.set_num_threads(1)
    content = Path(text).read_text()
    characters = list(dict.fromkeys(content))
    codes = torch.tensor([characters.index(character) for character in content])
    network = Network(len(characters))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    with Watch(
        network.gru,
        network.head,
        embedding=network.embedding,
        vocabulary=characters,
        text=text,
        optimizer=optimizer,
        seq=STEPS,
        batch=BATCH,
        run=run,
    ) as watch:
        while True:
            starts = torch.randint(len(codes) - STEPS - 1, (BATCH,))
            windows = torch.stack([codes[start : start + STEPS + 1] for start in starts], 1)
            loss = cross_entropy(network(windows[:-1]).flatten(0, 1), windows[1:].flatten())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if not watch.step(loss):
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
