"""What surrounds training."""

import pytest
import torch

from residua.errors import TrainingError
from residua.run.setting import naming_full_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 ..."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_one_line_with_advice(error):
    advice = r"not enough memory.*--batch-size"
    with pytest.raises(TrainingError, match=advice) as raised, naming_full_memory():
        raise error
    assert str(error).partition("\n")[0] in str(raised.value)
    assert raised.value.__cause__ is error


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), naming_full_memory():
        raise RuntimeError("shapes differ")
