"""Writes OLE compound files, the container of Outlook's messages, for tests of their reader."""

import itertools
import struct

_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def ole_file(tree):
    """Write nested dicts of storages, whose leaves are the bytes of streams."""
    entries = [["Root Entry", 5, _NONE, b""]]

    def add(children):
        numbers = []
        for name, value in sorted(
            children.items(), key=lambda item: (len(item[0]), item[0].upper())
        ):
            number = len(entries)
            numbers.append(number)
            is_storage = isinstance(value, dict)
            entries.append([name, 1 if is_storage else 2, _NONE, b"" if is_storage else value])
            if is_storage:
                entries[number][2] = add(value)
        # A chain to the right is a valid, if unbalanced, tree.
        for left, right in itertools.pairwise(numbers):
            entries[left].append(right)
        return numbers[0] if numbers else _NONE

    entries[0][2] = add(tree)
    mini, mini_fat, sectors, fat = b"", [], [], []

    def store(data):
        start = len(sectors)
        parts = [data[i : i + _SECTOR].ljust(_SECTOR, b"\0") for i in range(0, len(data), _SECTOR)]
        sectors.extend(parts)
        fat.extend([*range(start + 1, start + len(parts)), _END] if parts else [])
        return start if parts else _END

    starts = []
    for _, kind, _, data, *_ in entries:
        if kind != 2 or not data:
            starts.append(_END)
        elif len(data) >= _CUTOFF:
            starts.append(store(data))
        else:
            count = -(-len(data) // _MINI)
            starts.append(len(mini_fat))
            mini_fat += [*range(len(mini_fat) + 1, len(mini_fat) + count), _END]
            mini += data.ljust(count * _MINI, b"\0")
    starts[0] = store(mini)
    rows = b""
    for (name, kind, child, data, *right), start in zip(entries, starts, strict=True):
        size = len(mini) if kind == 5 else len(data)
        written = name.encode("utf-16-le").ljust(64, b"\0")
        rows += struct.pack(
            "<64sHBBIII16sIQQIQ", written, 2 * len(name) + 2, kind, 1, _NONE,
            right[0] if right else _NONE, child, b"", 0, 0, 0, start, size,
        )  # fmt: skip
    directory = store(rows)
    mini_start = store(struct.pack(f"<{len(mini_fat)}I", *mini_fat).ljust(_SECTOR, b"\xff"))
    count = 1
    while (len(fat) + count) * 4 > count * _SECTOR:
        count += 1
    places = range(len(sectors), len(sectors) + count)
    table = [*fat, *[_FAT] * count]
    table += [_FREE] * (count * _SECTOR // 4 - len(table))
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIII", bytes.fromhex("D0CF11E0A1B11AE1"), b"", 0x3E, 3, 0xFFFE, 9, 6,
        0, count, directory, 0, _CUTOFF, mini_start, -(-len(mini_fat) * 4 // _SECTOR), _END, 0,
    )  # fmt: skip
    header += struct.pack("<109I", *places, *[_FREE] * (109 - count))
    return header + b"".join(sectors) + struct.pack(f"<{len(table)}I", *table)
