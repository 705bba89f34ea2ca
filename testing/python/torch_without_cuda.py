"""Lets torch's wheel for Linux be imported without the 3 GB of CUDA that it asks for.

usage: python torch_without_cuda.py SITE_PACKAGES

For tests on machines without a GPU: torch comes with `pip install --no-deps`, and of CUDA only the small runtime, which
torch calls while it is loaded. The other libraries are made here: each has the symbols and the versions that torch's
own libraries want of them, and nothing that works. On the CPU nothing calls them.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

# Names that CUDA's libraries define.
OF_CUDA = re.compile(r"cu|nccl|nvrtc|nvshmem|nvJitLink|nvtx|_ZN?\w*nvshmem", re.IGNORECASE)


def said(*command: object) -> str:
    """What a program prints; nothing where it fails."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True).stdout


def needed(library: pathlib.Path) -> set[str]:
    """The libraries that it is linked with."""
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", said("readelf", "-dW", library)))


def versions(library: pathlib.Path) -> dict[str, set[str]]:
    """The versions of symbols that it asks of others."""
    asked: dict[str, set[str]] = {}
    other = ""
    for line in said("readelf", "-VW", library).splitlines():
        if found := re.search(r"File: (\S+)", line):
            other = found[1]
        elif found := re.search(r"Name: (\S+)\s+Flags", line):
            asked.setdefault(other, set()).add(found[1])
    return asked


def symbols(library: pathlib.Path) -> tuple[set[str], set[str]]:
    """The dynamic symbols that it wants, and those that it has."""
    wanted, has = set(), set()
    for line in said("nm", "-D", library).splitlines():
        kind, name = line.split()[-2:]
        (wanted if kind in "Uwv" else has).add(name.split("@")[0])
    return wanted, has


def main(site_packages: pathlib.Path) -> None:
    libraries = sorted((site_packages / "torch/lib").glob("*.so*"))
    cuda = site_packages / "nvidia/cu13/lib"
    real = sorted(cuda.glob("libcudart.so*"))
    wanted, has, libraries_needed = set(), set(), set()
    asked: dict[str, set[str]] = {}
    for library in [*libraries, *real]:
        now_wanted, now_has = symbols(library)
        wanted |= now_wanted
        has |= now_has
        libraries_needed |= needed(library)
        for other, names in versions(library).items():
            asked.setdefault(other, set()).update(names)
    there = {library.name for library in [*libraries, *real]}
    missing = sorted(name for name in wanted - has if OF_CUDA.match(name) and not name.startswith("_Py"))
    stand_ins = sorted(name for name in libraries_needed - there if re.match(r"lib(cu|nccl|nv)", name))
    # The driver is no part of a wheel: torch looks for it when it is used.
    stand_ins = [name for name in stand_ins if name != "libcuda.so.1"]
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "stand_in.c"
        source.write_text("".join(f"int {name}(void) {{ return 1; }}\n" for name in missing))
        script = source.with_suffix(".map")
        for name in stand_ins:
            # The loader insists on the versions.
            first, *others = sorted(asked.get(name, {name}))
            script.write_text(f"{first} {{ global: *; }};\n" + "".join(f"{other} {{ }};\n" for other in others))
            linked = f"-Wl,-soname,{name},--version-script,{script}"
            subprocess.run(["cc", "-w", "-shared", "-fPIC", "-O0", linked, "-o", cuda / name, source], check=True)
    print(f"{len(stand_ins)} libraries of CUDA stood in for, with {len(missing)} symbols")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
