"use strict";

// The data of the page, and how its numbers are read and written.

const DATA = JSON.parse(document.getElementById("data").textContent);

/** The numbers that some text in base64 is. */
function decoded(text, Type) {
  if (text == null) return null;
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return new Type(bytes.buffer);
}

const doubles = (text) => decoded(text, Float64Array);
const singles = (text) => decoded(text, Float32Array);
const counts = (text) => decoded(text, Uint32Array);

/** bfloat16 is the upper half of a float32. */
const shades = (text) => widened(decoded(text, Uint16Array));
function widened(halves) {
  const words = new Uint32Array(halves.length);
  for (let at = 0; at < halves.length; at++) words[at] = halves[at] << 16;
  return new Float32Array(words.buffer);
}

/** A curve: its mean, and where several steps are one point the least and the greatest of them. */
const band = (band) => ({ mean: doubles(band.mean), min: doubles(band.min), max: doubles(band.max) });

/** A number in four digits, or more. */
function short(value, most = 4) {
  if (value == null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e6 || size < 1e-3) {
    const [digits, exponent] = value.toExponential(most - 1).split("e");
    return digits.replace(/\.?0+$/, "").replace("-", "−") + "e" + exponent.replace("+", "").replace("-", "−");
  }
  return Number(value.toPrecision(most)).toString().replace("-", "−");
}

/** Numbers in rising order, in as many digits as tell them apart. */
function apart(numbers, write) {
  for (let digits = 4; ; digits++) {
    const texts = numbers.map((number) => number == null ? "" : write(number, digits));
    const there = texts.filter(Boolean);
    if (digits === 17 || new Set(there).size === there.length) return texts;
  }
}

/** A whole number, its digits in groups. */
const grouped = (count) => Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");

function percent(share, most = 3) {
  if (share == null || Number.isNaN(share)) return "–";
  if (share === 0 || share === 1) return share * 100 + " %";
  const text = (share * 100).toPrecision(most);
  return (share < 1e-4 ? short(share * 100, Math.max(most, 4)) : Number(text).toString()) + " %";
}

/** A power of two. */
const power = (exponent) => "2" + String(exponent).replace(/./g, (digit) => digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);

const shape = (axes) => axes.length ? axes.map(grouped).join(" × ") : "a single value";

/** An element with a class, text and children. Texts of the file never become HTML. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) if (child != null) element.append(child);
  return element;
}

/** What a row is called: its number, and its token if it has one. */
function rowName(row, unit) {
  if (unit > 1) return `rows ${grouped(row)}–${grouped(row + unit - 1)}`;
  // What tokenizers write for a space.
  const token = DATA.tokens[row]?.replace(/[Ġ▁]/g, "␣");
  return token === undefined ? `row ${grouped(row)}` : `row ${grouped(row)} “${token}”`;
}
