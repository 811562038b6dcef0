"""Reads weights that PyTorch has saved: safetensors, or a state dict in a file of `torch.save`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.errors import UserError
from engine.foreign.files import SAVED, opened, read_safetensors
from engine.training.memory import require_room

FLOAT = 4  # bytes
ZIP, PICKLE = b"PK\x03\x04", b"\x80"  # the first bytes of what torch.save writes, now and before version 1.6


def read_weights(path: Path) -> dict[str, Array]:
    """The tensors in the file `path`, by name. Raises `UserError` if there are none that can be read.

    A file of `torch.save` is a pickle; it is read with `weights_only=True`, which makes nothing of it but tensors and
    plain values, and runs no code. The state dict may be all that is in it, or one of several values in a dict.
    """
    with opened(path) as file:
        first = file.read(4)
    if first == ZIP or first[:1] == PICKLE:
        return _state_dict(path, _loaded(path))
    return read_safetensors(path)


def _loaded(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{path}: was written by torch.save, and PyTorch is not installed here; install it (pip install torch), or "
            "save the weights with safetensors.torch.save_file"
        ) from None
    try:
        require_room(_size(path), f"{path}: what is in it")
        return torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # whatever a file of anybody's may lead it to
        if type(error).__name__ == "UnpicklingError":
            raise UserError(
                f"{path}: has more in it than tensors, and nothing else is loaded, as that could run any code; save "
                "model.state_dict() alone"
            ) from None
        raise UserError(f"{path}: is damaged, or of no known kind ({_first_line(error)}); {SAVED}") from None


def _size(path: Path) -> int:
    """Bytes of what is in the file, which a zip file may hold packed."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as packed:
        return sum(each.file_size for each in packed.infolist())


def _state_dict(path: Path, values: Any) -> dict[str, Array]:
    found = [each for each in (values, *_inside(values)) if _is_state_dict(each)]
    if len(found) != 1:
        problem = "has no state dict in it" if not found else f"has {len(found)} state dicts in it"
        raise UserError(f"{path}: {problem}; save model.state_dict() alone")
    require_room(sum(FLOAT * tensor.numel() for tensor in found[0].values()), f"{path}: what is in it")
    return {name: _array(path, name, tensor) for name, tensor in found[0].items()}


def _inside(values: Any) -> list[Any]:
    return list(values.values()) if isinstance(values, dict) else []


def _is_state_dict(values: Any) -> bool:
    import torch

    return (
        isinstance(values, dict)
        and bool(values)
        and all(isinstance(name, str) and isinstance(each, torch.Tensor) for name, each in values.items())
    )


def _array(path: Path, name: str, tensor: Any) -> Array:
    if not tensor.is_floating_point() or str(tensor.layout) != "torch.strided":
        raise UserError(f"{path}: {name} has no ordinary floating-point numbers ({tensor.dtype}); remove it")
    try:
        return np.asarray(tensor.detach().cpu().float().numpy())
    except Exception as error:  # a tensor without numbers, of the device "meta"; whatever else PyTorch may hold
        raise UserError(f"{path}: {name} cannot be read ({_first_line(error)}); remove it") from None


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0][:120] or type(error).__name__
