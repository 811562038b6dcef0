"""Everything that has to do with PyTorch, which is loaded only where it is needed: `Watch`, and the files it writes."""

from engine.torch.watch import Watch

__all__ = ["Watch"]
