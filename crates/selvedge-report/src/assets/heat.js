// Pictures: rows × steps, and exponents × steps, on a canvas.

const RAMPS = {
  light: ["#f6efe4", "#f3d3a4", "#eba566", "#d96a42", "#b3262b", "#751536", "#2f0a2b"],
  dark: ["#1f1a2e", "#3c1f57", "#6d2a6e", "#a83a63", "#dd6049", "#f7a14a", "#fcf0a8"],
};

/** From the largest negative value over zero to the largest positive one. */
const SIGNED = {
  light: ["#0d3b66", "#2f6f9f", "#8fb8d6", "#f4f1ec", "#eab08b", "#c14a36", "#67001f"],
  dark: ["#a8dcff", "#4f9ed6", "#255a85", "#1b1a19", "#8a3526", "#e0674a", "#ffd0b8"],
};

/** A colour as a number, as the memory of an image has it; the processors of browsers are little-endian. */
const packed = ([red, green, blue], alpha = 255) => (alpha << 24 | blue << 16 | green << 8 | red) >>> 0;

/** 256 colours from little to much. */
function ramp(isSigned) {
  const stops = (isSigned ? SIGNED : RAMPS)[document.documentElement.dataset.theme === "dark" ? "dark" : "light"];
  const rgb = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, shade) => {
    const at = shade / 255 * (rgb.length - 1), low = Math.min(Math.floor(at), rgb.length - 2);
    return rgb[low].map((value, channel) => Math.round(value + (rgb[low + 1][channel] - value) * (at - low)));
  });
}

/** Steps at round numbers, about `count` of them. */
function roundSteps(first, last, count) {
  const rough = Math.max((last - first) / count, 1e-9), power = Math.pow(10, Math.floor(Math.log10(rough)));
  const each = Math.max([1, 2, 5, 10].find((times) => times * power >= rough) * power, 1);
  const ticks = [];
  for (let tick = Math.ceil(first / each) * each; tick <= last; tick += each) ticks.push(tick);
  return ticks;
}

/**
 * A card with a picture, which takes another by `renew`. `views` are its orders: each with `label`, `rows` (the numbers of rows of `cells`), `marks` (labels at
 * rows), and `lines` between rows. With `signed` cells have a sign, the colours end at the magnitude `usual`, and what is no
 * finite number has a colour of its own. `pick(row, column)` is called for a cell that is clicked. `cells` has `columns.length` numbers for each row; `tip(view, row, column)` says what is there.
 */
function picture(spec) {
  let { columns, cells, views, tip } = spec;
  const { title, note, height = 340, write = short, log = true, unit, signed = false, pick } = spec;
  let usual = spec.usual;
  const head = make("div", "head", make("h3", "", title));
  const canvas = make("canvas");
  const box = make("div", "box"), tipBox = make("div", "tip");
  const frame = make("div", "picture", canvas, box, tipBox);
  const card = make("div", "card wide", head, frame, note ? make("p", "note", note) : null);
  box.hidden = tipBox.hidden = true;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  const state = { view: views[0], log, zoom: null };
  let count = columns.length;
  const margin = { left: 64, right: 12, top: 4, bottom: 46 };
  let area = null;

  if (views.length > 1) {
    const select = make("select");
    select.title = "the order of the rows";
    views.forEach((view, number) => {
      const option = make("option", "", view.label);
      option.value = number;
      select.append(option);
    });
    select.addEventListener("change", () => { state.view = views[select.value]; state.zoom = null; draw(); });
    head.append(select);
  }
  const [label, why] = signed ? ["powers of two", "colours by the exponent of a value, as a float has it"] : ["log", "a logarithmic scale of colours"];
  head.append(toggle(label, why, log, (on) => { state.log = on; draw(); }));
  const whole = make("button", "", "whole");
  whole.type = "button";
  whole.title = "shows all again; so does a double click";
  whole.hidden = true;
  whole.addEventListener("click", () => { state.zoom = null; draw(); });
  head.append(whole);

  const window_ = () => state.zoom || { left: 0, right: count, top: 0, bottom: state.view.rows.length };

  /** Some of the cells, by a size of each that is above zero, in rising order. */
  function some(size) {
    const found = [], each = 1 + Math.floor(cells.length / 20000);
    for (let at = 0; at < cells.length; at += each) {
      const cell = size(cells[at]);
      if (cell > 0 && cell < Infinity) found.push(cell);
    }
    return Float32Array.from(found).sort();
  }

  /** Where on the scale a number is, from 0 to 1; none for no number and for zero. */
  function scale() {
    if (signed) {
      const most = usual || 1, high = Math.log2(most), sizes = some(Math.abs);
      const low = Math.min(high - 1, Math.log2(sizes[Math.floor(sizes.length / 20)] || most / 2));
      const size = state.log ? (cell) => Math.max(0.04, (Math.log2(cell) - low) / (high - low)) : (cell) => cell / most;
      return {
        place: (cell) => cell === 0 ? 0.5 : 0.5 + Math.sign(cell) / 2 * Math.min(1, size(Math.abs(cell))),
        back: (share) => (share - 0.5) * 2 * most,
        has: usual > 0,
      };
    }
    let most = 0;
    for (let at = 0; at < cells.length; at++) if (cells[at] > most && cells[at] < Infinity) most = cells[at];
    const positive = some((cell) => cell);
    let least = positive.length ? positive[Math.floor(positive.length * 0.01)] : 1;
    if (!(most > least)) least = most / 10;
    const low = Math.log(least), span = Math.log(most) - low || 1;
    const place = state.log ? (cell) => (Math.log(cell) - low) / span : (cell) => cell / most;
    const back = state.log ? (share) => Math.exp(low + share * span) : (share) => share * most;
    return { place, back, has: most > 0 };
  }

  function draw() {
    const dpr = devicePixelRatio || 1;
    const width = Math.max(frame.clientWidth, 160);
    const tall = Math.round(Math.min(height, Math.max(width * 0.75, 200)));
    canvas.width = width * dpr;
    canvas.height = tall * dpr;
    // Paper of another width does not stretch it.
    canvas.style.width = width + "px";
    const pen = canvas.getContext("2d");
    pen.scale(dpr, dpr);
    margin.left = width < 420 ? 48 : 64;
    area = { left: margin.left, top: margin.top, width: width - margin.left - margin.right, height: tall - margin.top - margin.bottom };
    const { left, right, top, bottom } = window_();
    const colours = ramp(signed), { place, back, has } = scale();
    const named = (name) => /#(..)(..)(..)/.exec(css(name)).slice(1).map((hex) => parseInt(hex, 16));
    const none = packed(named(signed ? "--bad" : "--none")), clear = signed ? none : 0, shades = colours.map((colour) => packed(colour));
    // As many points of the picture as there are on the screen: each has the greatest of its cells.
    const wide = Math.max(1, Math.min(right - left, Math.round(area.width * dpr)));
    const high = Math.max(1, Math.min(bottom - top, Math.round(area.height * dpr)));
    const image = new ImageData(wide, high), points = new Uint32Array(image.data.buffer);
    const firsts = Uint32Array.from({ length: wide + 1 }, (_, x) => left + Math.floor(x * (right - left) / wide));
    for (let y = 0, point = 0; y < high; y++) {
      const from = top + Math.floor(y * (bottom - top) / high), to = Math.max(from + 1, top + Math.floor((y + 1) * (bottom - top) / high));
      for (let x = 0; x < wide; x++, point++) {
        const first = firsts[x], end = firsts[x + 1];
        let most = signed ? 0 : NaN;
        for (let row = from; row < to; row++) {
          const start = state.view.rows[row] * count;
          for (let column = first; column < end; column++) {
            const cell = cells[start + column];
            if (signed ? isBeyond(cell, most) : !(cell <= most) && !Number.isNaN(cell)) most = cell;
          }
        }
        const isThere = signed ? Number.isFinite(most) : most > 0;
        points[point] = isThere ? shades[Math.max(0, Math.min(255, Math.round(place(most) * 255)))] : Number.isNaN(most) ? clear : none;
      }
    }
    const inner = new OffscreenCanvas(wide, high);
    inner.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(inner, area.left, area.top, area.width, area.height);
    pen.strokeStyle = css("--line");
    pen.strokeRect(area.left - 0.5, area.top - 0.5, area.width + 1, area.height + 1);

    pen.fillStyle = css("--quiet");
    pen.font = "11px system-ui, sans-serif";
    const atRow = (row) => area.top + (row - top) / (bottom - top) * area.height;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    let lastMark = -100;
    for (const { row, label } of state.view.marks(top, bottom)) {
      const y = Math.max(area.top + 5, Math.min(area.top + area.height - 5, atRow(row)));
      if (Math.abs(y - lastMark) < 13) continue;
      lastMark = y;
      pen.fillText(label, area.left - 6, y, margin.left - 8);
    }
    pen.strokeStyle = css("--text");
    for (const row of state.view.lines || []) {
      if (row <= top || row >= bottom) continue;
      pen.beginPath();
      pen.moveTo(area.left - 8, atRow(row));
      pen.lineTo(area.left + area.width, atRow(row));
      pen.stroke();
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const last = right < count ? columns[right] : columns[count - 1];
    for (const step of roundSteps(columns[left], last, Math.max(2, area.width / 110))) {
      let column = columns.findIndex((first) => first >= step);
      if (column < 0) column = count - 1;
      const x = area.left + (column + 0.5 - left) / (right - left) * area.width;
      if (x < area.left || x > area.left + area.width) continue;
      pen.fillText(grouped(step), Math.min(x, area.left + area.width - 12), area.top + area.height + 5);
    }

    if (has) {
      // The scale of the colours.
      const y = tall - 14, wideScale = Math.min(220, area.width * 0.55), x = area.left + area.width - wideScale - 44;
      for (let at = 0; at < wideScale; at++) {
        pen.fillStyle = `rgb(${colours[Math.round(at / wideScale * 255)].join(" ")})`;
        pen.fillRect(x + at, y, 1.5, 8);
      }
      pen.fillStyle = css("--quiet");
      pen.textBaseline = "middle";
      pen.textAlign = "right";
      pen.fillText((state.log && !signed ? "≤ " : "") + write(back(0)), x - 6, y + 4);
      pen.textAlign = "left";
      pen.fillText(write(back(1)), x + wideScale + 6, y + 4);
      if (unit && x > 230) pen.fillText(unit, area.left, y + 4);
    } else {
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      pen.fillText(signed ? "all values are zero" : "nothing moved", area.left, tall - 10);
    }
    whole.hidden = !state.zoom;
  }

  /** The cell under the pointer, or the nearest. */
  function cellAt(event) {
    const bounds = canvas.getBoundingClientRect(), { left, right, top, bottom } = window_();
    const x = event.clientX - bounds.left, y = event.clientY - bounds.top;
    const within = (value, low, high) => Math.max(low, Math.min(high - 1, value));
    return {
      x, y,
      inside: x >= area.left && x <= area.left + area.width && y >= area.top && y <= area.top + area.height,
      column: within(Math.floor(left + (x - area.left) / area.width * (right - left)), left, right),
      row: within(Math.floor(top + (y - area.top) / area.height * (bottom - top)), top, bottom),
    };
  }

  let start = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!area || event.button !== 0 || event.pointerType === "touch") return;
    const cell = cellAt(event);
    if (cell.inside) { start = cell; canvas.setPointerCapture(event.pointerId); }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!area) return;
    const cell = cellAt(event);
    if (start) {
      box.hidden = false;
      box.style.left = Math.min(start.x, cell.x) + "px";
      box.style.top = Math.min(start.y, cell.y) + "px";
      box.style.width = Math.abs(start.x - cell.x) + "px";
      box.style.height = Math.abs(start.y - cell.y) + "px";
    }
    tipBox.hidden = !cell.inside;
    if (!cell.inside) return;
    tipBox.textContent = tip(state.view, cell.row, cell.column, cells[state.view.rows[cell.row] * count + cell.column]);
    const leftHalf = cell.x < frame.clientWidth / 2;
    tipBox.style.left = leftHalf ? cell.x + 14 + "px" : "";
    tipBox.style.right = leftHalf ? "" : frame.clientWidth - cell.x + 14 + "px";
    tipBox.style.top = Math.max(0, Math.min(cell.y - 20, canvas.clientHeight - 70)) + "px";
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const end = cellAt(event);
    const far = Math.abs(end.x - start.x) > 6 && Math.abs(end.y - start.y) > 6;
    if (far) {
      state.zoom = {
        left: Math.min(start.column, end.column), right: Math.max(start.column, end.column) + 1,
        top: Math.min(start.row, end.row), bottom: Math.max(start.row, end.row) + 1,
      };
      draw();
    } else if (pick && Math.abs(end.x - start.x) < 4 && Math.abs(end.y - start.y) < 4) {
      pick(end.row, end.column);
    }
    start = null;
    box.hidden = true;
  });
  canvas.addEventListener("pointerleave", () => { tipBox.hidden = true; });
  canvas.addEventListener("dblclick", () => { state.zoom = null; draw(); });
  const ifDrawn = shown(card, draw, draw);
  card.renew = (now) => {
    const apart = (columns) => columns[1] - columns[0];
    const rows = state.view.rows.length, isSame = apart(columns) === apart(now.columns);
    ({ columns, cells, views, tip, usual } = now);
    count = columns.length;
    state.view = views.find((view) => view.label === state.view.label) || views[0];
    if (!isSame || rows !== state.view.rows.length) state.zoom = null;
    ifDrawn(draw);
  };
  return card;
}

/** Whether a value is farther from zero than another, or no finite number. */
const isBeyond = (one, other) => Math.abs(one) > Math.abs(other) || (Number.isNaN(one) && Number.isFinite(other));

/** The steps of a column, in words. */
function stepsOf(columns, column, isSampled) {
  const first = columns[column], end = column + 1 < columns.length ? columns[column + 1] - 1 : first;
  return isSampled || end <= first ? `step ${grouped(first)}` : `steps ${grouped(first)}–${grouped(end)}`;
}

/** How far each row of a tensor moved at each step, as a picture. */
function heatPicture(file, tensor, title) {
  const heat = tensor.heat;
  const columns = doubles(heat.columns), count = columns.length;
  const pictures = [heat.in_order, heat.sorted].map((of) => ({
    best: counts(of.best), size: counts(of.size), class: of.class, cells: shades(of.cells),
  }));
  const first = pictures[0].best.length;
  const cells = new Float32Array(pictures[0].cells.length + pictures[1].cells.length);
  cells.set(pictures[0].cells);
  cells.set(pictures[1].cells, pictures[0].cells.length);
  const of = (row) => row < first ? [pictures[0], row] : [pictures[1], row - first];
  const sizeOf = (row) => { const [picture, at] = of(row); return picture.size[at]; };
  const marks = (rows) => (top, bottom) => {
    // Row numbers, or how many rows moved further.
    let before = 0;
    const found = [];
    const each = Math.max(1, (bottom - top) / 8);
    let next = top;
    rows.forEach((row, at) => {
      if (at >= next && at < bottom) { found.push({ row: at + 0.5, label: grouped(before) }); next = at + each; }
      before += sizeOf(row);
    });
    return found;
  };
  const inOrder = Array.from({ length: first }, (_, row) => row);
  const sorted = Array.from({ length: pictures[1].best.length }, (_, row) => row + first);
  // How far a row of the picture moved over all steps.
  const total = new Map(sorted.map((row) => {
    let sum = 0;
    for (let column = 0; column < count; column++) sum += cells[row * count + column] || 0;
    return [row, sum];
  }));
  const byTotal = (rows) => [...rows].sort((a, b) => total.get(b) - total.get(a) || a - b);
  const views = [
    { label: "rows in order", rows: inOrder, marks: marks(inOrder) },
    { label: "sorted by movement", rows: byTotal(sorted) },
  ];
  views[1].marks = marks(views[1].rows);
  heat.masks.forEach((mask, bit) => {
    const has = (row) => pictures[1].class[row - first] >> bit & 1;
    const inside = byTotal(sorted.filter(has)), outside = byTotal(sorted.filter((row) => !has(row)));
    if (!inside.length || !outside.length) return;
    const rows = [...inside, ...outside];
    views.push({
      label: `split by ${mask}`, rows, lines: [inside.length],
      marks: () => [
        { row: Math.max(inside.length / 2, rows.length * 0.03), label: "true" },
        { row: inside.length + outside.length / 2, label: "false" },
      ],
    });
  });
  // What moves is seen best by movement, unless each row has a line of its own.
  if (sizeOf(0) > heat.unit) views.reverse();
  const unsplit = heat.unsplit.length ? `, so the picture is not split by ${heat.unsplit.join(", ")}` : "";
  const each = heat.unit > 1 ? ` The rows are narrow: each line is of ${heat.unit} of them or more${unsplit}.` : "";
  return {
    title: title || "how far each row moved at each step",
    note: `Each point is the largest norm of what one of its rows changed by from the step before.${each} ` +
      `Drag to zoom, double click for the whole. Rows that did not move have no colour.`,
    columns, cells, views, height: 380, unit: "norm of the change of a row",
    tip: (view, row, column, cell) => {
      const number = view.rows[row], [picture, at] = of(number), more = picture.size[at] - heat.unit;
      const others = more > 0 ? ` and ${grouped(more)} more` : "";
      return `${rowName(picture.best[at], heat.unit)}${others}\n${stepsOf(columns, column, file.is_sampled)}\n` +
        (!Number.isNaN(cell) ? `at most ${short(cell)}` : tensor.partly ? "not measured" : "no step before it");
    },
  };
}

/** The exponents of the values over the steps, as a picture. */
function exponentPicture(tensor, title) {
  const spread = tensor.spread, columns = doubles(spread.steps), count = columns.length;
  const shares = shades(spread.exponents), high = shares.length / count, each = spread.exponents_each;
  const cells = new Float32Array(shares.length);
  // The largest exponent on top.
  for (let row = 0; row < high; row++) cells.set(shares.subarray(row * count, (row + 1) * count), (high - 1 - row) * count);
  const exponent = (row) => spread.from_exponent + (high - 1 - row) * each;
  const rows = Array.from({ length: high }, (_, row) => row);
  const view = {
    label: "", rows,
    marks: (top, bottom) => {
      const apart = Math.max(1, Math.ceil((bottom - top) / 10));
      return rows.slice(top, bottom).filter((row) => exponent(row) / each % apart === 0)
        .map((row) => ({ row: row + 0.5, label: power(exponent(row)) }));
    },
  };
  const zeros = singles(spread.zeros);
  return {
    title: title || "magnitudes over the steps",
    note: "The share of the values in each power of two; zeros are left out.",
    columns, cells, views: [view], height: 300, write: percent, unit: "share of the values",
    tip: (_, row, column, cell) => `${power(exponent(row))} to ${power(exponent(row) + each)}\nstep ${grouped(columns[column])}\n` +
      `${percent(cell)} of the values\n${percent(zeros[column])} are zero`,
  };
}
