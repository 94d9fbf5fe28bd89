"""The transformers engine passes the suite of every engine."""

import pytest

from langchain_swallow.engines.loading import load_local_engine
from langchain_swallow.engines.shared import LoadSettings
from tests.conformance import ClosingConformance, EngineConformance, save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("conformance"))


def load(checkpoint):
    return load_local_engine(LoadSettings(model=str(checkpoint), device="cpu", dtype="float32"))


class TestTransformers(EngineConformance):
    @pytest.fixture(scope="class")
    def engine(self, checkpoint):
        made = load(checkpoint)
        yield made
        made.close()


class TestClosingTransformers(ClosingConformance):
    @pytest.fixture
    def new_engine(self, checkpoint):
        return lambda: load(checkpoint)
