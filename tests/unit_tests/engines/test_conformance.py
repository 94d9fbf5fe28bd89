"""The transformers engine passes the suite of every engine."""

import pytest

from langchain_swallow.engines.local.loading import load_local_engine
from langchain_swallow.engines.settings import LoadSettings
from tests.conformance import ClosingConformance, EngineConformance, save_checkpoint
from tests.support.tiny_models import DEVICES


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("conformance"))


def load(checkpoint, device):
    source = str(checkpoint)
    return load_local_engine(LoadSettings(model=source, device=device, dtype="float32"))


@pytest.mark.parametrize("device", DEVICES, scope="class")
class TestTransformers(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, checkpoint, device):
        made = load(checkpoint, device)
        yield made
        made.close()


@pytest.mark.parametrize("device", DEVICES)
class TestClosingTransformers(ClosingConformance):
    @pytest.fixture
    def new_engine(self, checkpoint, device):
        return lambda: load(checkpoint, device)
