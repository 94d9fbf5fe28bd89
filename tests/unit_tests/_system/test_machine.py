"""A share of a machine, as a container or a service gets it, is what is used of it."""

import joblib
import psutil
import pytest
import torch

from langchain_swallow._system import machine
from langchain_swallow.engines.local import devices

GIB = 1024**3
NO_LIMIT = 9223372036854771712


@pytest.fixture
def groups(tmp_path):
    """Writes `/proc/self/cgroup` and files of `/sys/fs/cgroup`; gives the limits that are read."""

    def limits(own, **files):
        (tmp_path / "cgroup").write_text(own)
        for path, text in files.items():
            file = tmp_path / "fs" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        return list(machine._memory_limits(tmp_path / "cgroup", tmp_path / "fs"))

    return limits


def test_the_limit_of_a_container(groups):
    assert groups("0::/\n", **{"memory.max": 8 * GIB}) == [8 * GIB]


def test_no_limit(groups):
    assert groups("0::/\n", **{"memory.max": "max"}) == []


def test_a_service_and_the_slice_it_is_in(groups):
    files = {"a.slice/b.service/memory.max": 8 * GIB, "a.slice/memory.max": 6 * GIB}
    assert groups("0::/a.slice/b.service\n", **files) == [8 * GIB, 6 * GIB]


def test_the_first_version_of_control_groups(groups):
    own = "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/docker/1\n"
    files = {"memory/memory.limit_in_bytes": NO_LIMIT}
    files["memory/docker/1/memory.limit_in_bytes"] = 4 * GIB
    assert groups(own, **files) == [4 * GIB, NO_LIMIT]


def test_a_container_whose_group_is_named_as_outside(groups):
    own = "4:memory:/docker/1\n"
    assert groups(own, **{"memory/memory.limit_in_bytes": 4 * GIB}) == [4 * GIB]


def test_another_system_has_none(tmp_path):
    assert list(machine._memory_limits(tmp_path / "none", tmp_path)) == []


@pytest.fixture
def _fresh():
    def forget():
        machine.allowed_cores.cache_clear()
        machine.allowed_memory.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.usefixtures("_fresh")
def test_the_least_of_memory_and_limits(monkeypatch):
    total = psutil.virtual_memory().total
    monkeypatch.setattr(machine, "_memory_limits", lambda: [NO_LIMIT])
    assert machine.allowed_memory() == total
    machine.allowed_memory.cache_clear()
    monkeypatch.setattr(machine, "_memory_limits", lambda: [GIB, NO_LIMIT])
    assert machine.allowed_memory() == GIB
    assert devices.free_gib("cpu") == 1.0


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("wanted", "of_container", "cores"), [("", 3, 3), ("5", 3, 5), ("4,2", 3, 4), ("all", 3, 3)]
)
def test_what_the_user_wants_goes_before_the_container(monkeypatch, wanted, of_container, cores):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    monkeypatch.setattr(joblib, "cpu_count", lambda: of_container)
    assert machine.allowed_cores() == cores


def test_torch_has_no_more_threads_than_cores(monkeypatch):
    torch.set_num_threads(3)
    monkeypatch.setattr(devices, "allowed_cores", lambda: 8)
    devices.keep_to_allowed_cores()
    assert torch.get_num_threads() == 3
    monkeypatch.setattr(devices, "allowed_cores", lambda: 2)
    devices.keep_to_allowed_cores()
    assert torch.get_num_threads() == 2
