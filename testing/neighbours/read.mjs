// How h5wasm and jsfive read a file: `node read.mjs PROGRAM FILE OUT`. `neighbours.py` judges what is written to OUT.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const [program, path, out] = process.argv.slice(2);
const packages = `${process.env.NODE_FOLDER}/node_modules`;
const { version } = JSON.parse(readFileSync(`${packages}/${program}/package.json`, "utf8"));
writeFileSync(`${out}/version`, `${program} ${version}`);

const names = ["W", "V", "loss", "mask", "scale", "ids"];
const kinds = { Int8Array: "<i1", Uint8Array: "<u1", Uint16Array: "<u2", Float32Array: "<f4", Float64Array: "<f8", BigInt64Array: "<i8", Int32Array: "<i4" };
const arrays = {};
const attributes = {};

function keep(name, value, shape) {
  let kind = value == null ? null : kinds[value.constructor.name];
  if (value == null) return;
  if (!kind) {
    // A list, or a number by itself: JavaScript's numbers are float64.
    const list = [].concat(value).map(Number);
    value = Float64Array.from(list);
    kind = "<f8";
  }
  writeFileSync(`${out}/${name}.bin`, Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  arrays[name] = { dtype: kind, shape, masked: 0 };
}

function plain(value) {
  if (typeof value === "bigint") return Number(value);
  if (value && value.length === 1 && typeof value !== "string") return plain(value[0]);
  return value;
}

if (program === "h5wasm") {
  const { default: h5wasm } = await import(`${packages}/h5wasm/dist/node/hdf5_hl.js`);
  await h5wasm.ready;
  // The files of a joined view have names beside it.
  process.chdir(dirname(path));
  const file = new h5wasm.File(path, "r");
  for (const name of names) {
    const dataset = file.get(name);
    keep(name, dataset.value, dataset.shape);
  }
  const told = (node) => Object.fromEntries(Object.entries(node.attrs).map(([key, it]) => [key, plain(it.value)]));
  attributes[""] = told(file);
  attributes.W = told(file.get("W"));
} else {
  const hdf5 = await import(`${packages}/jsfive/dist/esm/index.mjs`);
  const bytes = readFileSync(path);
  const file = new hdf5.File(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), path);
  for (const name of names) {
    const dataset = file.get(name);
    keep(name, dataset.value, dataset.shape);
  }
  const told = (node) => Object.fromEntries(Object.entries(node.attrs).map(([key, value]) => [key, plain(value)]));
  attributes[""] = told(file);
  attributes.W = told(file.get("W"));
}
writeFileSync(`${out}/read.json`, JSON.stringify({ arrays, attributes }, (_, value) => (typeof value === "bigint" ? Number(value) : value)));
