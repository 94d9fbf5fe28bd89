"""What a user calls a model → its record, or the decision that it is a model outside the table."""

import difflib
import re
import warnings
from pathlib import Path

from langchain_swallow.catalog.model_info import ModelInfo
from langchain_swallow.catalog.table import MODELS
from langchain_swallow.errors import BaseModelError, UnknownModelError

# The embedded model, see `engines.demo`.
DEMO = "demo"

# Above this similarity an unknown name is taken for a misspelled one.
_TYPO = 0.9
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")

_BY_NAME = {model.name.lower(): model for model in MODELS}
_BY_REPO_ID = {model.repo_id.lower(): model for model in MODELS}


def list_models() -> list[ModelInfo]:
    """Every checkpoint of the Swallow family, newest first."""
    return list(MODELS)


def resolve_model(name: str) -> ModelInfo:
    """Find a checkpoint by name, in any case, with or without its organization.

    Raises:
        UnknownModelError: There is no such checkpoint; the message names the nearest.

    >>> resolve_model("swallow-7b-INSTRUCT-v0.1").repo_id
    'tokyotech-llm/Swallow-7b-instruct-v0.1'
    """
    wanted = name.strip().removesuffix("/").lower()
    # The model card's index links to -instruct-v1.0, which never existed.
    corrected = wanted.replace("-instruct-v1.0", "-instruct-v0.1")
    found = _BY_REPO_ID.get(corrected) or _BY_NAME.get(corrected)
    if found is None:
        raise UnknownModelError(_unknown(name))
    if corrected != wanted:
        warnings.warn(
            f"{name!r} is a typo in the model card's links; using {found.repo_id!r}.",
            stacklevel=2,
        )
    return found


def require_instruct(info: ModelInfo) -> ModelInfo:
    """Return `info` if it can chat.

    Raises:
        BaseModelError: It is a base model; the message names its instruct sibling.
    """
    if info.is_instruct:
        return info
    sibling = _BY_NAME[str(info.instruct_sibling).lower()]
    raise BaseModelError(
        f"{info.repo_id} is a base model without a chat format. Use {sibling.repo_id}."
    )


def chat_model_info(model: str, *, by_folder_name: bool = False) -> ModelInfo | None:
    """The record of what a chat model was asked to load.

    Args:
        model: A checkpoint's name, `"demo"`, a hub id, or a local directory.
        by_folder_name: Find the checkpoint a local directory is named after, if any.

    Returns:
        `None` for the demo, for directories, and for hub ids that are not in the table. Whether
        the hub has such a model shows when it is loaded.

    Raises:
        UnknownModelError: Neither a checkpoint, nor a hub id, nor a directory; or a hub id that is
            nearly one of the table.
        BaseModelError: A base model.
    """
    folder = Path(model)
    # An empty path is the current folder.
    is_folder = bool(model) and folder.is_dir()
    if model == DEMO or (is_folder and not by_folder_name):
        return None
    try:
        return require_instruct(resolve_model(folder.name if is_folder else model))
    except UnknownModelError:
        if by_folder_name or _is_other_hub_id(model):
            return None
        raise


def similar_models(name: str, cutoff: float = 0.5) -> list[str]:
    """Hub ids of the table that a name resembles, the nearest first.

    Args:
        name: With or without an organization.
        cutoff: Least similarity, 0 to 1.
    """
    wanted = name.strip().removesuffix("/").lower()
    known = _BY_REPO_ID if "/" in wanted else _BY_NAME
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=cutoff)
    return [known[key].repo_id for key in near]


def _is_other_hub_id(name: str) -> bool:
    """Whether a name is a hub id, and not a misspelled one of the table.

    A name that differs in its numbers only, or that is one of the table with more behind it, is
    another version or another build: `…-v0.3`, `…-GPTQ`.
    """
    if not _HUB_ID.fullmatch(name):
        return False
    wanted = name.lower()
    near = difflib.get_close_matches(wanted, _BY_REPO_ID, n=1, cutoff=_TYPO)
    if not near or wanted.startswith(f"{near[0]}-"):
        return True
    return re.sub(r"\d+", "0", wanted) == re.sub(r"\d+", "0", near[0])


def _unknown(name: str) -> str:
    near = similar_models(name)
    # As it was written: without the organization, where the user left it out.
    shown = near if "/" in name.strip("/ ") else [repo_id.split("/")[1] for repo_id in near]
    hint = f" Did you mean {', '.join(map(repr, shown))}?" if near else ""
    return (
        f"Unknown Swallow model {name!r}.{hint} Run langchain-swallow models for the list. "
        "For another model, pass its hub id (organization/name) or a local directory."
    )
