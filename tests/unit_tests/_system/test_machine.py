"""A share of a machine, as a container or a service gets it, is what is used of it."""

import os

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

    def limits(own, read=machine._memory_limits, **files):
        (tmp_path / "cgroup").write_text(own)
        for path, text in files.items():
            file = tmp_path / "fs" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        return list(read(tmp_path / "cgroup", tmp_path / "fs"))

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


@pytest.mark.parametrize("limits", [machine._memory_limits, machine._core_limits])
def test_another_system_has_none(tmp_path, limits):
    assert list(limits(tmp_path / "none", tmp_path)) == []


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, [1.5]),
        ("0::/\n", {"cpu.max": "max 100000"}, []),
        (
            "0::/a.slice/b.service\n",
            {"a.slice/b.service/cpu.max": "400000 100000", "a.slice/cpu.max": "300000 100000"},
            [4, 3],
        ),
        (
            "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/docker/1\n",
            {"cpu/docker/1/cpu.cfs_quota_us": 50000, "cpu/docker/1/cpu.cfs_period_us": 100000},
            [0.5],
        ),
        ("5:cpu:/\n", {"cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100000}, []),
    ],
    ids=["container", "no limit", "service and slice", "first version", "first, no limit"],
)
def test_cores_of_a_container(groups, own, files, cores):
    assert groups(own, machine._core_limits, **files) == cores


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
    ("wanted", "limits", "cores"),
    [
        ("", [3.0], 3), ("", [2.2, 5.0], 3), ("", [0.5], 1), ("", [], 8), ("", [16.0], 8),
        ("5", [3.0], 5), ("4,2", [3.0], 4), ("all", [3.0], 3),
    ],
)  # fmt: skip
def test_what_the_user_wants_goes_before_the_container(monkeypatch, wanted, limits, cores):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    monkeypatch.setattr(machine, "_cores_by_affinity", lambda: 8)
    monkeypatch.setattr(machine, "_core_limits", lambda: limits)
    assert machine.allowed_cores() == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
@pytest.mark.usefixtures("_fresh")
def test_a_process_kept_to_one_core(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, [min(before)])
        assert machine.allowed_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_torch_has_no_more_threads_than_cores(monkeypatch):
    torch.set_num_threads(3)
    monkeypatch.setattr(devices, "allowed_cores", lambda: 8)
    devices.keep_to_allowed_cores()
    assert torch.get_num_threads() == 3
    monkeypatch.setattr(devices, "allowed_cores", lambda: 2)
    devices.keep_to_allowed_cores()
    assert torch.get_num_threads() == 2
