"""How often TEN003 is right: over tensors of small trainings, recorded as bfloat16 in uint16 without a mark, and over whole
numbers of many kinds.

    python measure.py PATH/OF/selvedge [FOLDER OF matplotlib's sample_data]

Made with h5py 3.16.0, numpy 2.5.5, Python 3.13. `docs/conventions.md` has what it prints.
"""

import gzip
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import zlib

import h5py
import numpy as np

PROGRAM = os.path.abspath(sys.argv[1])
SAMPLES = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
TEXT = "\n".join(path.read_text() for path in sorted(pathlib.Path(os.__file__).parent.glob("[a-d]*.py")))


def bits(values):
    """The bits of bfloat16, rounded to the nearest, ties to even."""
    wide = np.ascontiguousarray(values, "f4").view("u4")
    return ((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16).astype("u2")


def trained(seed, rate, scale, loss_scale, steps=24, vocabulary=256, width=32):
    """A bigram model of characters with one hidden layer and Adam: weights, gradients and both moments of each step."""
    random = np.random.default_rng(seed)
    data = np.frombuffer(TEXT.encode()[seed * 1000 : seed * 1000 + 60_000], "u1")
    weights = {
        "E": random.normal(size=(vocabulary, width)) * scale,
        "W": random.normal(size=(width, width)) * scale,
        "U": random.normal(size=(width, vocabulary)) * scale,
    }
    first = {name: np.zeros_like(w) for name, w in weights.items()}
    second = {name: np.zeros_like(w) for name, w in weights.items()}
    record = {}
    for step in range(1, steps + 1):
        at = random.integers(0, len(data) - 1, 512)
        x, y = data[at], data[at + 1]
        hidden = np.tanh(weights["E"][x] @ weights["W"])
        logits = hidden @ weights["U"]
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        p *= loss_scale / len(y)
        back = (p @ weights["U"].T) * (1 - hidden**2)
        gradient = {"U": hidden.T @ p, "W": weights["E"][x].T @ back, "E": np.zeros_like(weights["E"])}
        np.add.at(gradient["E"], x, back @ weights["W"].T)
        for name, g in gradient.items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g * g
            m, v = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
            weights[name] = weights[name] - rate * m / (np.sqrt(v) + 1e-12)
            for kind, values in (("weights", weights[name]), ("gradient", g), ("momentum", first[name]), ("squares", second[name])):
                record.setdefault((kind, name), []).append(values.copy())
    return {key: bits(np.stack(values)) for key, values in record.items()}


def whole_numbers():
    """Whole numbers of many kinds, as uint16 of two axes or more."""
    random = np.random.default_rng(0)
    raw = np.frombuffer(TEXT.encode(), "u1")
    words = TEXT.split()
    ids = {word: at for at, word in enumerate(dict.fromkeys(words))}
    tokens = np.array([ids[word] for word in words])
    lines = [len(line) for line in TEXT.split("\n")]
    found = {
        "characters": raw[:60_000],
        "ids of words": tokens[:40_000],
        "ids of words, ordered by how frequent they are": np.argsort(np.argsort(-np.bincount(tokens)))[tokens][:40_000],
        "lengths of lines": np.array(lines[:8000]),
        "how often each word is there": np.bincount(tokens),
        "pairs of characters as one number": raw[:60_000:2].astype("u2") * 256 + raw[1:60_000:2],
        "checksums": np.array([zlib.crc32(word.encode()) & 0xFFFF for word in words[:20_000]]),
        "hashes": np.frombuffer(b"".join(hashlib.sha256(word.encode()).digest() for word in words[:2000]), "u2"),
        "compressed text": np.frombuffer(zlib.compress(TEXT.encode())[:60_000], "u2"),
        "a permutation of 50,000": random.permutation(50_000),
        "a permutation of 10,000": random.permutation(10_000),
        "0 to 65,535": np.arange(65_536),
        "places in a text": np.flatnonzero(raw[:65_000] == 32),
        "random numbers of 16 bits": random.integers(0, 65_536, 40_000),
        "labels of 10 classes": random.integers(0, 10, 40_000),
        "labels of 1,000 classes": random.integers(0, 1000, 40_000),
        "masks of 0 and 1": random.integers(0, 2, 40_000),
        "masks of 0 and 65,535": random.integers(0, 2, 40_000) * 65_535,
        "years": 1950 + random.integers(0, 75, 10_000),
        "minutes of a day": random.integers(0, 1440, 10_000),
        "seconds of a day, halved": random.integers(0, 43_200, 10_000),
        "ports": random.choice([22, 80, 443, 8080, 5432, 27017, 50_000], 10_000),
        "sound around 32,768": 32_768 + (8000 * np.sin(np.arange(40_000) / 20)).astype("i4"),
        "quiet sound around 32,768": 32_768 + random.normal(0, 200, 40_000).astype("i4"),
        "sound in two's complement": (8000 * np.sin(np.arange(40_000) / 20)).astype("i2").view("u2"),
        "temperatures in hundredths of a kelvin": 27_315 + random.normal(0, 800, 40_000).astype("i4"),
        "distances of a depth camera, up to 4 m": np.abs(random.normal(2000, 800, 40_000)).astype("i4"),
        "distances of a depth camera, 4 to 10 m": random.integers(4000, 10_000, 40_000),
        "a camera of 10 bits": np.clip(random.normal(300, 90, 40_000), 0, 1023).astype("i4"),
        "a camera of 12 bits": np.clip(random.normal(1500, 500, 40_000), 0, 4095).astype("i4"),
        "a camera of 14 bits": np.clip(random.normal(8000, 900, 40_000), 0, 16_383).astype("i4"),
        "a camera of 16 bits": np.clip(random.normal(12_000, 1500, 40_000), 0, 65_535).astype("i4"),
        "a microscope with an offset of 10,000": 10_000 + random.poisson(300, 40_000),
        "a CT in Hounsfield units, from 1024": 1024 + random.normal(40, 400, 40_000).astype("i4").clip(-1024, 3071),
        "colours of 5, 6 and 5 bits": random.integers(0, 65_536, 40_000) & 0xF7DE,
        "counts, of Poisson": random.poisson(12, 40_000),
        "counts, of a power law": np.minimum(random.zipf(1.4, 40_000), 65_535),
        "degrees of a graph": np.minimum(random.zipf(2.0, 40_000), 5000),
        "columns of a sparse matrix": np.sort(random.integers(0, 30_000, (200, 200)), axis=1),
        "experts of a mixture": random.integers(0, 64, 40_000),
        "ids of tokens of 32,000": random.integers(0, 32_000, 40_000),
        "ids of tokens of 50,257": (50_257 * random.beta(0.4, 2.5, 40_000)).astype("i4"),
        "counts from 4,000 to 9,000": random.integers(4000, 9000, 40_000),
        "counts, of Poisson, around 5,000": random.poisson(5000, 40_000),
        "distances of a depth camera, around 9 m": np.clip(random.normal(9000, 1500, 40_000), 3500, 18_000),
        "a camera around 16,000": random.normal(16_000, 300, 40_000),
        "a scanned page": np.where(random.random(40_000) < 0.1, random.normal(15_000, 300, 40_000), random.normal(48_000, 300, 40_000)),
        "two bands of equal size": np.where(random.random(40_000) < 0.3, random.uniform(14_000, 17_000, 40_000), random.uniform(46_500, 49_500, 40_000)),
        "two bands, 32,768 apart": np.where(random.random(40_000) < 0.5, random.normal(16_000, 150, 40_000), random.normal(48_768, 150, 40_000)),
        "waits, exponentially distributed, from 3,500": 3500 + random.exponential(500, 40_000),
        "sizes, by a power law, from 4,000": np.minimum(4000 * (1 + random.pareto(3, 40_000)), 30_000),
        "sizes, log-normally distributed": np.minimum(random.lognormal(9, 1, 40_000), 65_535),
        "times of events": np.sort(random.integers(0, 65_536, 40_000)),
        "an image of 8 bits, times 257": random.integers(0, 256, 40_000) * 257,
        "a camera of 10 bits, times 64": random.normal(250, 40, 40_000).astype("i4") * 64,
        "twelve ids": random.choice(random.integers(8000, 16_000, 12), 40_000),
        "float16, as its bits": random.normal(0, 1, 40_000).astype("f2").view("u2"),
    }
    if SAMPLES:
        with gzip.open(SAMPLES / "s1045.ima.gz") as file:
            found["a magnetic resonance image (matplotlib)"] = np.frombuffer(file.read(), "u2")
        with np.load(SAMPLES / "jacksboro_fault_dem.npz") as file:
            found["heights of a landscape (matplotlib)"] = file["elevation"]
        with np.load(SAMPLES / "topobathy.npz") as file:
            found["heights and depths of the earth, from 11,000 m below (matplotlib)"] = file["topo"] + 11_000
    for name, values in found.items():
        values = np.asarray(values).astype("u2")
        yield name, values.ravel()[: values.size // 8 * 8].reshape(8, -1)


def findings(folder):
    """The tensors that TEN003 names: file, tensor, and whether the fix is safe."""
    done = subprocess.run([PROGRAM, "check", "--select", "TEN003", "--output-format", "json", "."], cwd=folder, capture_output=True, text=True)
    found = json.loads(done.stdout)["findings"]
    return {(os.path.basename(f["path"]), f.get("tensor") or f.get("place", {}).get("tensor")): f for f in found}


def main():
    folder = pathlib.Path(tempfile.mkdtemp()) / "tensors/Thimble"
    folder.mkdir(parents=True)
    wanted, kinds = {}, {}
    settings = [(s, rate, scale, loss) for s, (rate, scale, loss) in enumerate(
        [(1e-2, 0.1, 1.0), (1e-3, 0.02, 1.0), (1e-3, 0.5, 1e-2), (1e-4, 0.1, 1e-4), (3e-3, 0.02, 1e-6), (1e-2, 0.3, 1e-3)]
    )]
    for seed, rate, scale, loss in settings:
        tensors = trained(seed, rate, scale, loss)
        with h5py.File(folder / f"run_{seed}.h5", "w") as file:
            for (kind, name), values in tensors.items():
                file[f"{kind}_{name}"] = values
                wanted[f"run_{seed}.h5", f"{kind}_{name}"] = True
                kinds[f"run_{seed}.h5", f"{kind}_{name}"] = (kind, "beside the others")
        for (kind, name), values in tensors.items():
            for label, called in (("alone", "x"), ("named", {"squares": "exp_avg_sq", "gradient": "grad", "momentum": "exp_avg"}.get(kind, "weight"))):
                path = f"{label}_{seed}_{kind}_{name}.h5".replace("_", "-").replace("-", "_", 1)
                with h5py.File(folder / path, "w") as file:
                    file[called] = values
                wanted[path, called] = True
                kinds[path, called] = (kind, "alone, without a name" if label == "alone" else "alone, with a name")
    for number, (name, values) in enumerate(whole_numbers()):
        path = f"whole_{number}.h5"
        with h5py.File(folder / path, "w") as file:
            file["x"] = values
        wanted[path, "x"], kinds[path, "x"] = False, (name, "whole")
    # And each of them beside weights of its shape.
    for number, (name, values) in enumerate(whole_numbers()):
        path = f"beside_{number}.h5"
        with h5py.File(folder / path, "w") as file:
            file["x"] = values
            file["W"] = bits(np.random.default_rng(number).normal(0, 0.02, values.shape))
        wanted[path, "x"], kinds[path, "x"] = False, (name, "whole, beside weights of its shape")
        wanted[path, "W"], kinds[path, "W"] = True, ("weights", "beside whole numbers")
    awkward = np.random.default_rng(1)
    normal = awkward.normal(0, 0.02, (20, 100, 64))
    with np.errstate(all="ignore"):
        diverged, masked, faint = normal.copy(), normal.copy(), normal.copy()
        diverged[10:] = np.nan
        masked[awkward.random(normal.shape) < 0.4] = -np.inf
        faint[awkward.random(normal.shape) < 0.2] = 1e-39
        kinds_of = {
            "diverged, NaN from half on": diverged,
            "masked with -inf": masked,
            "masked with the least number": np.where(np.isinf(masked), -3.3895e38, masked),
            "with 1e-39": faint,
            "gradients from 1e-40 to 1e-3": normal * 10.0 ** awkward.uniform(-40, -3, normal.shape),
            "evenly distributed": awkward.uniform(-1 / 16, 1 / 16, normal.shape),
            "activations of ReLU": np.maximum(normal, 0),
            "probabilities": awkward.dirichlet(np.ones(64), (20, 100)),
        }
        for number, (name, values) in enumerate(kinds_of.items()):
            path = f"awkward_{number}.h5"
            with h5py.File(folder / path, "w") as file:
                file["x"] = bits(values) if not np.isnan(values).any() else np.where(np.isnan(values), 0x7FC0, bits(np.nan_to_num(values))).astype("u2")
            wanted[path, "x"], kinds[path, "x"] = True, (name, "alone, without a name")
    found = findings(folder.parent.parent)
    table = {}
    for key, is_bfloat16 in wanted.items():
        kind, place = kinds[key]
        row = table.setdefault((kind if is_bfloat16 else "whole numbers", place), [0, 0, 0])
        row[0] += 1
        row[1] += key in found
        row[2] += key in found and (found[key].get("fix") or {}).get("safe", False)
        if not is_bfloat16 and key in found:
            print("found, and is none:", key, kind, file=sys.stderr)
    print("| tensors | where | how many | found | of them marked by `--fix` |\n|---|---|---|---|---|")
    for (kind, place), (all_of_them, told, safe) in table.items():
        print(f"| {kind} | {place} | {all_of_them} | {told} | {safe} |")
    safe = [key for key in found if (found[key].get("fix") or {}).get("safe", False)]
    print(f"\nmarked by --fix: {len(safe)}, precision {sum(wanted.get(key, False) for key in safe) / len(safe):.3f}")
    right = sum(1 for key in found if wanted.get(key))
    print(f"\nprecision {right / len(found):.3f}, recall {right / sum(wanted.values()):.3f}, over {len(wanted)} tensors")


main()
