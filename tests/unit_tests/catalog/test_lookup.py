"""What a name stands for: a checkpoint, a hub id outside the table, or a mistake."""

import pytest

from langchain_swallow import list_models, resolve_model
from langchain_swallow.catalog import chat_model_info
from langchain_swallow.errors import BaseModelError, UnknownModelError


@pytest.mark.parametrize(
    "name",
    [
        "tokyotech-llm/Swallow-7b-instruct-v0.1",
        "Swallow-7b-instruct-v0.1",
        "SWALLOW-7B-INSTRUCT-V0.1",
        " tokyotech-LLM/swallow-7b-instruct-v0.1/ ",
    ],
)
def test_names_resolve_in_any_form(name):
    assert resolve_model(name).repo_id == "tokyotech-llm/Swallow-7b-instruct-v0.1"


def test_the_whole_index_is_there():
    sizes = ("7b", "13b", "70b")
    names = [
        f"Swallow-{s}-{kind}" for s in sizes for kind in ("hf", "instruct-hf", "instruct-v0.1")
    ]
    names += [f"Swallow-{s}-NVE-hf" for s in sizes] + ["Swallow-7b-plus-hf"]
    names += ["Swallow-7b-NVE-instruct-hf", "Swallow-70b-NVE-instruct-hf"]
    assert set(names) <= {info.name for info in list_models()}


def test_the_cards_typo_resolves_with_a_warning():
    with pytest.warns(UserWarning, match="typo"):
        assert resolve_model("Swallow-7b-instruct-v1.0").name == "Swallow-7b-instruct-v0.1"


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownModelError, match=r"Did you mean 'Swallow-7b-instruct-v0.1'"):
        resolve_model("swallow-7b-instruct-v01")


@pytest.mark.parametrize(
    ("base", "sibling"),
    [
        ("Swallow-13b-hf", "Swallow-13b-instruct-v0.1"),
        ("Swallow-7b-plus-hf", "Swallow-7b-instruct-v0.1"),
        ("Swallow-70b-NVE-hf", "Swallow-70b-NVE-instruct-hf"),
    ],
)
def test_base_models_name_their_instruct_sibling(base, sibling):
    with pytest.raises(BaseModelError, match=sibling):
        chat_model_info(base)


def test_every_base_model_has_an_instruct_sibling_in_the_catalogue():
    for info in list_models():
        if not info.is_instruct:
            assert resolve_model(info.instruct_sibling).is_instruct


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen3-8B",
        "my-company/swallow-tuned",
        # A copy under another organization, a version, and a build, that the table does not have.
        "mmnga/Llama-3.1-Swallow-8B-Instruct-v0.5",
        "tokyotech-llm/Qwen3-Swallow-8B-RL-v0.3",
        "SakanaAI/TinySwallow-1.5B-Instruct-GGUF",
    ],
)
def test_other_hub_ids_are_models_outside_the_table(name):
    assert chat_model_info(name) is None


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("tokyotech-llm/Swallow-7b-instruct-v01", "tokyotech-llm/Swallow-7b-instruct-v0.1"),
        ("tokyotech-lm/Swallow-7b-instruct-v0.1", "tokyotech-llm/Swallow-7b-instruct-v0.1"),
        ("tokyotech-llm/Qwen3-Swalow-8B-RL-v0.2", "tokyotech-llm/Qwen3-Swallow-8B-RL-v0.2"),
        ("Qwen3-Swallow-8B-RL", "Qwen3-Swallow-8B-RL-v0.2"),
        ("TinySwallow-1.5B-instruct-v1", "TinySwallow-1.5B-Instruct"),
    ],
)
def test_a_name_that_is_nearly_one_of_the_table_is_an_error_that_names_it(name, near):
    with pytest.raises(UnknownModelError) as caught:
        chat_model_info(name)
    assert f"Unknown Swallow model {name!r}. Did you mean {near!r}" in str(caught.value)


@pytest.mark.parametrize("name", ["", "gpt-4o", "./models/mine", "/data/swallow", "a/b/c", r"C:\m"])
def test_what_is_neither_a_hub_id_nor_a_folder_is_unknown(name):
    with pytest.raises(UnknownModelError, match="pass its hub id"):
        chat_model_info(name)


def test_newer_checkpoints_come_first_and_of_a_day_the_best():
    dates = [info.release_date for info in list_models()]
    assert dates == sorted(dates, reverse=True)
    of_a_day = [i for i in list_models() if i.release_date == "2026-02-20"]
    assert of_a_day[0].name == "GPT-OSS-Swallow-120B-RL-v0.1"
    assert all(info.release_date for info in list_models())
