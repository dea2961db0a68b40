"""Networks made by torch start from the same weights in every run."""

import pytest


@pytest.fixture(autouse=True)
def seeded_weights() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(4)
