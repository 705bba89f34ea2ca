"""The run that is recorded, as somebody writes it by hand with h5py: five datasets that grow by a step at a time."""

def write(path, shapes, steps, flush):
    types = {"W": "u2", "moment": "f4", "mask": "?", "loss": "f4", "count": "i8"}
    with h5py.File(path, "w") as f:
        for name, shape in shapes.items():
            f.create_dataset(name, (0, *shape), types[name], maxshape=(None, *shape), chunks=(3, *shape))
        for step in range(steps):
            for number, name in enumerate(AS):
                f[name].resize(step + 1, axis=0)
                count = int(np.prod(shapes[name], dtype=int))
                f[name][step] = AS[name](bits(number, range(step, step + 1), count)).reshape(shapes[name])
            if flush:
                f.flush()
            print("committed", step + 1, flush=True)
    print("finished", flush=True)

write(sys.argv[1], shapes(sys.argv[4:]), int(sys.argv[2]), sys.argv[3] == "flush")
