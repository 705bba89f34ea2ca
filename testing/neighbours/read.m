% How Octave reads a file: `octave-cli read.m FILE OUT`. `neighbours.py` judges what is written to OUT.
arguments = argv();
[path, out] = arguments{end-1:end};
f = fopen([out "/version"], "w"); fprintf(f, "Octave %s", version()); fclose(f);
run = load("-hdf5", path);
names = {"W", "V", "loss", "mask", "scale", "ids"};
f = fopen([out "/read.json"], "w");
fprintf(f, "{\"attributes\": {}, \"arrays\": {");
separator = "";
for i = 1:numel(names)
  name = names{i};
  if (! isfield(run, name)) continue; end
  value = run.(name);
  b = fopen([out "/" name ".bin"], "w"); fwrite(b, value, class(value)); fclose(b);
  % Its first axis is the one that varies fastest, which is the last of HDF5.
  shape = sprintf("%d,", fliplr(size(value)));
  fprintf(f, "%s\"%s\": {\"dtype\": \"%s\", \"shape\": [%s], \"masked\": 0}", separator, name, class(value), shape(1:end-1));
  separator = ", ";
end
fprintf(f, "}}"); fclose(f);
