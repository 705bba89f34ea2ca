"""Holds every figure of a page against what NumPy makes of the file: judge.py FILE.h5 PAGE.html [sampled]."""

import base64
import json
import sys

import h5py
import ml_dtypes
import numpy as np

path, page = sys.argv[1:3]
sampled = len(sys.argv) > 3
text = open(page, encoding="utf-8").read()
data = json.loads(text.split('id="data">')[1].split("</script>")[0])
[report] = data["files"]
assert report["is_sampled"] == sampled
LEVELS = data["levels"]


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def doubles(text):
    return decoded(text, "<f8")


def same(what, found, expected, relative=1e-12):
    found, expected = np.asarray(found, "f8"), np.asarray(expected, "f8")
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=relative, atol=0, err_msg=what, equal_nan=True)


def points(count, most):
    """Which point of a curve each step belongs to."""
    return np.arange(count) * min(count, most) // count


def band(what, found, numbers):
    """A number for each step, against the mean, the least and the greatest of each point."""
    mean = doubles(found["mean"])
    if "min" not in found:
        return same(what, mean, numbers)
    of = points(len(numbers), len(mean))
    for point in range(len(mean)):
        part = numbers[of == point]
        part = part[~np.isnan(part)]
        if part.size:
            same(what, mean[point], part.sum() / part.size)
            same(what, doubles(found["min"])[point], part.min(), 0)
            same(what, doubles(found["max"])[point], part.max(), 0)
        else:
            assert np.isnan(mean[point])


def place(values):
    """Where floats lie on the line of representable numbers."""
    size = values.dtype.itemsize
    # Distances of float64 do not fit an integer of NumPy.
    bits = values.view(f"<u{size}").astype(object if size == 8 else "i8")
    half = 1 << (8 * size - 1)
    return np.where(bits >= half, half - bits, bits)


def check(tensor):
    name, kind = tensor["name"], tensor["kind"]
    values = f[name][()]
    if f[name].attrs.get("logical_dtype") == "bfloat16":
        values = values.view(ml_dtypes.bfloat16)
    values = np.asarray(values, values.dtype.newbyteorder("=")) if values.dtype.kind in "fiu" else values
    assert tensor["shape"] == list(values.shape), name
    if kind == "constant":
        values = values[None]
    wide = values.astype("f8")
    finite = np.isfinite(wide)
    used = np.arange(len(values))
    if sampled and kind == "steps":
        used = doubles(tensor["at"]).astype(int)
    assert tensor["measured"] == len(used), name
    of = finite[used]
    assert tensor["nan"] == np.isnan(wide[used]).sum(), name
    assert tensor["infinite"] == np.isinf(wide[used]).sum(), name
    for key, where in (("first_nan", np.isnan(wide[used])), ("first_infinite", np.isinf(wide[used]))):
        assert (key in tensor) == where.any(), name
        if where.any():
            number, *index = map(int, np.argwhere(where)[0])
            assert tensor[key] == {"step": int(used[number]), "index": index}, (name, tensor[key])
    if kind == "scalar":
        numbers = wide.reshape(len(values))
        return band(name, tensor["values"], numbers)

    flat = wide.reshape(len(values), -1)
    raw = values.reshape(len(values), -1)
    known = finite.reshape(flat.shape)
    squares = np.where(known, flat, 0) ** 2
    # Where no value is finite there is no number.
    norm = np.where(known.any(1), np.sqrt(squares.sum(1)), np.nan)
    both = known[1:] & known[:-1]
    change = np.where(both, np.where(known, flat, 0)[1:] - np.where(known, flat, 0)[:-1], 0)
    update = np.concatenate([[np.nan], np.where(both.any(1), np.sqrt((change**2).sum(1)), np.nan)])
    bits = raw.view(f"<u{raw.dtype.itemsize}") if raw.dtype != bool else raw.view("u1")
    share = lambda moved: np.concatenate([[np.nan], moved.sum(1).astype("f8") / flat.shape[1]])
    changed = share(bits[1:] != bits[:-1])

    spread = tensor["spread"]
    told = doubles(spread["steps"]).astype(int)
    if not flat.size:
        assert not told.size, name
        return None
    if kind == "constant":
        assert list(told) == [0], name
    else:
        last = len(told) - 1
        expected = [used[number * (len(used) - 1) // max(last, 1)] for number in range(len(told))]
        assert list(told) == expected and min(len(used), 6) <= len(told) <= 128, name
    shares = decoded(spread["exponents"], "<u2").view(ml_dtypes.bfloat16).reshape(-1, len(told))
    each = spread["exponents_each"]
    for column, step in enumerate(told):
        all_of = flat[step][known[step]]
        kept = flat[step][:: spread["every"]]
        kept = kept[np.isfinite(kept)]
        if not all_of.size:
            continue
        expected = np.quantile(kept, LEVELS, method="inverted_cdf")
        expected[0], expected[-1] = all_of.min(), all_of.max()
        same(name + " quantiles", [doubles(level)[column] for level in spread["quantiles"]], expected, 0)
        zeros = np.float32((all_of == 0).sum() / all_of.size)
        assert decoded(spread["zeros"], "<f4")[column] == zeros, name
        if kind == "constant":
            continue
        exponents = np.frexp(all_of[all_of != 0])[1] - 1
        assert not exponents.size or exponents.min() >= spread["from_exponent"], name
        for row, line in enumerate(shares):
            power = spread["from_exponent"] + row * each
            share_of = ((exponents >= power) & (exponents < power + each)).sum() / all_of.size
            assert line[column] == np.float32(share_of).astype(ml_dtypes.bfloat16), (name, power)

    same(name + " first norm", doubles(tensor["ends"]["norm"])[0], norm[used[0]])
    if kind == "constant":
        return None
    same(name + " last norm", doubles(tensor["ends"]["norm"])[1], norm[used[-1]])
    same(name + " last update", doubles(tensor["ends"]["update"])[1], update[used[-1]])
    same(name + " changed", tensor["ends"]["changed"], np.nansum(changed[used]) / np.isfinite(changed[used]).sum())
    curves = tensor["curves"]
    band(name + " norm", curves["norm"], norm[used])
    band(name + " update", curves["update"], update[used])
    band(name + " changed", curves["changed"], changed[used])
    band(name + " largest", curves["largest"], np.where(known.any(1), abs(np.where(known, flat, 0)).max(1), np.nan)[used])
    if "ulps" in curves:
        at = place(raw)
        no_nan = ~np.isnan(flat)
        distance = np.where(no_nan[1:] & no_nan[:-1], abs(at[1:] - at[:-1]), 0)
        band(name + " ULPs", curves["ulps"], share(distance)[used])
        for least, found in zip((2, 4, 16), curves["far"], strict=True):
            band(f"{name} {least} ULPs", found, share(distance >= least)[used])
    else:
        assert values.dtype.kind in "iu", name

    heat = tensor["heat"]
    unit, width = heat["unit"], flat.shape[1] // values.shape[1]
    assert unit == (1 if flat.shape[1] < 1 << 16 else 32), name
    padded = np.pad(change, ((0, 0), (0, -change.shape[1] % (unit * width))))
    rows = np.sqrt((padded.reshape(len(change), -1, unit * width) ** 2).sum(2))
    rows = np.concatenate([np.full((1, rows.shape[1]), np.nan), rows])[used]
    total = np.nansum(rows, 0)
    moved = (bits[1:] != bits[:-1])[used[used > 0] - 1].reshape(-1, values.shape[1], width)
    assert heat["still"] == (~moved.any((0, 2))).sum(), name
    # Equal totals come in the order of the rows.
    order = sorted(range(len(total)), key=lambda row: (-total[row], row))
    for row, moved, expected in zip(heat["top"], doubles(heat["top_moved"]), order):
        same(name + " top", [moved, total[row // unit]], [total[expected]] * 2)
    columns = len(doubles(heat["columns"]))
    of = points(len(used), columns)
    for key in ("in_order", "sorted"):
        picture = heat[key]
        best, size = decoded(picture["best"], "<u4"), decoded(picture["size"], "<u4")
        cells = decoded(picture["cells"], "<u2").view(ml_dtypes.bfloat16).astype("f4").reshape(len(best), columns)
        assert unit > 1 or size.sum() == len(total), name
        if (size == 1).all():
            assert sorted(best) == list(range(len(total))), name
            assert key != "in_order" or list(best) == sorted(best), name
        else:
            continue
        classes = np.zeros(len(total), int)
        for bit, mask in enumerate(heat["masks"]):
            classes |= f[mask][()].astype(int) << bit
        assert picture["class"] == list(classes[best]) or key == "in_order", name
        if key == "sorted":
            pairs = [(classes[row], -total[row]) for row in best]
            after = lambda a, b: a[0] < b[0] or (a[0] == b[0] and (a[1] <= b[1] or np.isclose(a[1], b[1], 1e-12, 0)))
            assert all(map(after, pairs, pairs[1:])), name
        for column in range(columns):
            part = rows[of == column]
            with np.errstate(all="ignore"):
                most = np.where(np.isnan(part).all(0), np.nan, np.nanmax(np.where(np.isnan(part), -1, part), 0))
            expected = most.astype("f4").astype(ml_dtypes.bfloat16).astype("f4")[best]
            np.testing.assert_array_equal(cells[:, column], expected, err_msg=f"{name} {key}")


checked = []
with h5py.File(path) as f:
    for tensor in report["tensors"]:
        if "unread" in tensor:
            continue
        check(tensor)
        checked.append(f"{tensor['kind']} {tensor['name']}")
print("\n".join(checked))
