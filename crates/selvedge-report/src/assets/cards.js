// What there is of the files, from the top to the bottom, in cards that take newer numbers by `renew`.

const root = document.getElementById("page");
const several = DATA.files.length > 1;
/** Tensors that are open from the start, and scalars that are not folded. */
const OPEN = 4, MOST_SCALARS = 12;

/** The tensors of a kind: the name of each, with what each file has of it. */
function tensorsOf(kind) {
  const found = new Map();
  DATA.files.forEach((file, number) => {
    for (const tensor of file.tensors) {
      if (tensor.kind !== kind) continue;
      if (!found.has(tensor.name)) found.set(tensor.name, []);
      found.get(tensor.name).push({ file, number, tensor });
    }
  });
  return [...found].map(([name, parts]) => ({ name, parts }));
}

/** Whether there are numbers of a tensor. */
const has = (tensor) => !tensor.unread && (tensor.values || tensor.ends);
const read = (parts) => parts.filter(({ tensor }) => has(tensor));
const baseName = (file) => file.name.split("/").pop();
/** The name of a file without its folders, unless others have the same. */
function fileName(number) {
  const file = DATA.files[number], name = baseName(file);
  return DATA.files.some((other) => other !== file && baseName(other) === name) ? file.name : name;
}
const fileLabel = (number) => several ? fileName(number) + " " : "";
const fileTitle = (number) => several ? fileName(number) + ": " : "";

/** Which steps the numbers of a tensor are of, where these are not all. */
const ofSteps = (tensor) => tensor.kind === "constant" || tensor.measured >= tensor.shape[0] ? ""
  : ` in the ${grouped(tensor.measured)} of ${grouped(tensor.shape[0])} steps that were measured`;

/** The title, and what the files are; what it returns renews that. */
function header(more = () => []) {
  const other = () => document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  const themes = make("button", "", other());
  themes.type = "button";
  themes.title = "other colours";
  themes.addEventListener("click", () => theme(other()));
  drawn.add({ draw: () => { themes.textContent = other(); }, force: () => {} });
  const title = several ? "Runs beside each other" : baseName(DATA.files[0]);
  root.append(make("div", "top", make("h1", "", title), themes));
  const files = make("div", "files");
  root.append(files);
  const told = DATA.files.map((file) => make("details", "told", make("summary", "", "all that the file says of itself"), make("pre", "", file.told)));
  const renew = () => files.replaceChildren(...DATA.files.map((file, number) => {
    const card = make("div", "card");
    if (several || file.name.includes("/")) {
      const line = make("p", "", make("code", "", file.name));
      if (several) {
        const key = make("i", "");
        key.style.cssText = `display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.5rem;background:var(${fileColour(number)})`;
        line.prepend(key);
      }
      card.append(line);
    }
    for (const line of file.lines) card.append(make("p", "quiet", line));
    card.append(...more(file, number));
    if (file.left_out) {
      card.append(make("p", "warning", `The largest tensors of each kind are here, and ${grouped(file.left_out)} others are not; --tensor chooses.`));
    }
    if (file.is_sampled) {
      card.append(make("p", "warning", `Some of the steps were read, each with the one before it, and all numbers are of these. ${ALL_STEPS}`));
    }
    card.append(told[number]);
    return card;
  }));
  renew();
  return renew;
}

/** What one should not miss; what it returns renews it. */
function warnings() {
  const box = make("div");
  root.append(box);
  const renew = () => box.replaceChildren(...standsOut());
  renew();
  return renew;
}

/** Where numbers end to be numbers, the earliest step first; and what is not here. Of a sample it says nothing of other steps. */
function standsOut() {
  const found = [];
  DATA.files.forEach((file, number) => {
    for (const tensor of file.tensors) {
      const name = fileLabel(number) + tensor.name;
      for (const [what, count, first] of [["NaN", tensor.nan, tensor.first_nan], ["infinite values", tensor.infinite, tensor.first_infinite]]) {
        if (!count || !first) continue;
        const step = tensor.kind === "constant" ? "" : ` at step ${grouped(first.step)}`;
        const index = tensor.kind === "scalar" ? "" : ` at [${first.index.join(", ")}]`;
        const part = ofSteps(tensor), which = part ? "the first of these" : "the first";
        found.push([first.step, `${name}: ${grouped(count)} ${what}${part}, ${which}${[step, index].filter(Boolean).join(",")}`]);
      }
      for (const why of [tensor.unread, tensor.partly]) if (why) found.push([Infinity, `${name}: ${why}`]);
    }
  });
  found.sort(([a], [b]) => a === b ? 0 : a - b);
  const lines = found.map(([, text]) => make("p", "warning", text));
  const more = lines.splice(6);
  if (more.length) lines.push(make("details", "told", make("summary", "", `${grouped(more.length)} more`), ...more));
  return lines;
}

/** The curves of all scalars; what it returns renews them. */
function scalars() {
  const cards = new Map();
  const grid = make("div", "grid"), folded = make("div", "grid"), summary = make("summary", "quiet");
  const box = make("div", "", make("h2", "", "Scalars"), grid), more = make("details", "tensor", summary, folded);
  root.append(box);
  const renew = () => {
    const all = tensorsOf("scalar").filter(({ parts }) => read(parts).length);
    box.hidden = !all.length;
    for (const { name, parts } of all) {
      const lines = read(parts).map(({ number, tensor }) => ({
        label: several ? fileLabel(number) : name, colour: fileColour(number), x: doubles(tensor.at), ...band(tensor.values),
        gaps: tensor.unread_steps,
      }));
      const card = cards.get(name);
      if (card) { card.renew({ lines }); continue; }
      const made = chart({ title: name, lines, smooth: false });
      cards.set(name, made);
      if (all.length === 1) made.classList.add("wide");
      (cards.size <= MOST_SCALARS ? grid : folded).append(made);
    }
    if (folded.firstChild) {
      summary.textContent = `${grouped(cards.size - MOST_SCALARS)} more scalars`;
      if (!more.isConnected) box.append(more);
    }
  };
  renew();
  return renew;
}

/** A curve in a cell of a table, which takes its numbers by `renew`. */
function spark(colour) {
  let numbers = [];
  const canvas = make("canvas", "spark");
  canvas.width = 180;
  canvas.height = 44;
  const draw = () => {
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, 180, 44);
    const finite = numbers.filter((number) => Number.isFinite(number));
    if (finite.length < 2) return;
    const low = Math.min(...finite), span = Math.max(...finite) - low || 1;
    pen.strokeStyle = css(colour);
    pen.lineWidth = 2.5;
    pen.beginPath();
    numbers.forEach((number, at) => {
      if (!Number.isFinite(number)) return;
      pen[Number.isFinite(numbers[at - 1]) ? "lineTo" : "moveTo"](2 + at / (numbers.length - 1) * 176, 40 - (number - low) / span * 36);
    });
    pen.stroke();
  };
  drawn.add({ draw, force: draw });
  canvas.renew = (now) => { numbers = now; draw(); };
  return canvas;
}

function overview(all) {
  const head = ["tensor", "dtype", "a step", "norm", "last change", "changed", "NaN, ∞", "norm of the change"];
  const body = make("tbody");
  const rows = [], renewals = [];
  all.forEach(({ name, parts }, at) => {
    parts.forEach(({ number }, part) => {
      const link = make("a", "", (several ? fileLabel(number) : "") + name);
      link.href = `#t${at}`;
      link.title = name;
      link.addEventListener("click", () => { document.getElementById(`t${at}`).open = true; });
      const row = make("tr");
      const curve = spark(fileColour(number));
      const renew = (tensor) => {
        const cells = [link, tensor.dtype, shape(tensor.shape.slice(1))].map((cell) => make("td", "", cell));
        if (!has(tensor)) {
          const why = make("td", "text quiet", tensor.unread || "nothing yet");
          why.colSpan = 5;
          row.replaceChildren(...cells, why);
          return;
        }
        const norm = doubles(tensor.ends.norm), update = doubles(tensor.ends.update), changed = tensor.ends.changed;
        const bad = tensor.nan + tensor.infinite;
        const numbers = [`${short(norm[0])} → ${short(norm[1])}`, short(update[1]), percent(changed)];
        row.replaceChildren(...cells, ...numbers.map((cell) => make("td", "", cell)),
          make("td", bad ? "bad" : "", bad ? grouped(bad) : "0"), make("td", "", curve));
        curve.renew(doubles(tensor.curves.update.mean));
      };
      renew(parts[part].tensor);
      renewals.push((all) => renew(all[at].parts[part].tensor));
      body.append(row);
      rows.push([name.toLowerCase(), row]);
    });
  });
  const table = make("table", "", make("thead", "", make("tr", "", ...head.map((title) => make("th", "", title)))), body);
  const card = make("div", "card");
  if (all.length > 12) {
    const search = make("input");
    search.type = "search";
    search.placeholder = "part of a name";
    search.addEventListener("input", () => {
      const wanted = search.value.toLowerCase();
      for (const [name, row] of rows) row.hidden = !name.includes(wanted);
    });
    card.append(search);
  }
  card.append(make("div", "scroll", table));
  card.renew = (all) => renewals.forEach((renew) => renew(all));
  return card;
}

/** All charts of a tensor: what each is made by and of, and what stands below it. */
function charts({ parts }) {
  const list = [];
  const there = read(parts);
  const lines = (of) => there.flatMap(({ number, tensor }) => of(tensor, number));
  const line = (tensor, number, of, label, more) => ({
    label, colour: fileColour(number), x: doubles(tensor.at), ...band(of), gaps: tensor.unread_steps, ...more,
  });
  const add = (make, spec, below) => list.push({ make, spec, below });
  const curve = (title, pick, more) => add(chart, {
    title, lines: lines((tensor, number) => pick(tensor.curves) ? [line(tensor, number, pick(tensor.curves), fileLabel(number) || title)] : []), ...more,
  });
  curve("norm of the change", (curves) => curves.update, { smooth: false, note: "The norm of what the values changed by from the step before." });
  curve("norm", (curves) => curves.norm, { smooth: false });
  const isFloat = there.some(({ tensor }) => tensor.curves.far.length);
  if (several || !isFloat) {
    curve("share of values that change", (curves) => curves.changed, { percent: true, note: "Values whose bits are others than a step before." });
  } else {
    const { tensor } = there[0];
    const far = [2, 4, 16].map((ulps, at) => line(tensor, at + 1, tensor.curves.far[at], `by ${ulps} ULPs or more`));
    add(chart, {
      title: "share of values that change", percent: true, smooth: false,
      note: "Values whose bits are others than a step before, and of them those that are so many representable numbers (ULPs) away.",
      lines: [line(tensor, 0, tensor.curves.changed, "at all"), ...far],
    });
  }
  if (isFloat) {
    curve("mean move in ULPs", (curves) => curves.ulps, { smooth: false, note: "How many representable numbers a value is away from where it was, on average over all values." });
  }
  for (const { number, tensor } of there) {
    const title = fileTitle(number);
    const quantiles = tensor.spread.quantiles.map(doubles), x = doubles(tensor.spread.steps);
    if (x.length) {
      const pairs = [[0, 8, "least and greatest"], [1, 7, "1 to 99 %"], [2, 6, "5 to 95 %"], [3, 5, "25 to 75 %"]];
      const fan = pairs.map(([low, high]) => ({ colour: fileColour(number), x, mean: quantiles[high], min: quantiles[low], max: quantiles[high], edges: true }));
      const every = tensor.spread.every > 1 ? ` All but the ends are of one value in ${grouped(tensor.spread.every)}.` : "";
      add(chart, {
        title: `${title}quantiles of the values`, log: null, fan: true,
        lines: [...fan, { label: "median", colour: fileColour(number), x, mean: quantiles[4] }],
        note: `From the least value to the greatest, 1 to 99 %, 5 to 95 %, 25 to 75 %, at some of the steps.${every}`,
      });
    }
  }
  curve("largest magnitude", (curves) => curves.largest, { smooth: false });
  for (const { file, number, tensor } of there) {
    const title = fileTitle(number);
    if (tensor.heat && tensor.heat.columns) {
      add(picture, heatPicture(file, tensor, `${title}how far each row moved at each step`), () => movers(tensor));
    }
    if (tensor.spread.exponents) add(picture, exponentPicture(tensor, `${title}magnitudes over the steps`));
  }
  return list;
}

/** All charts of a tensor, in cards. */
function detail(of) {
  const grid = make("div", "grid"), cards = new Map();
  grid.renew = (now) => {
    let last = null;
    for (const { make, spec, below } of charts(now)) {
      let card = cards.get(spec.title);
      if (card) {
        card.renew(spec);
      } else {
        card = make(spec);
        cards.set(spec.title, card);
        last ? last.after(card) : grid.prepend(card);
      }
      if (below) {
        const now = below();
        card.below ? card.below.replaceWith(now) : card.append(now);
        card.below = now;
      }
      last = card;
    }
  };
  grid.renew(of);
  return grid;
}

/** The rows that moved most, and how many never did. */
function movers(tensor) {
  const { top, still, rows, unit } = tensor.heat, moved = doubles(tensor.heat.top_moved);
  const list = make("ul", "movers", ...top.map((row, at) =>
    make("li", "", make("span", "", rowName(row, unit)), make("b", "", short(moved[at])))));
  const part = ofSteps(tensor);
  const text = still === 0 ? "All rows moved." : still === rows ? `No row moved${part}.`
    : part ? `${grouped(still)} of ${grouped(rows)} rows did not move${part}.` : `${grouped(still)} of ${grouped(rows)} rows never moved.`;
  const most = top.length ? ` Those that moved most${part && " in these"}, and the sum of the norms of their changes:` : "";
  return make("div", "", make("p", "note", text + most), list);
}

/**
 * All tensors of several values a step, the first of them open. `more` makes what stands above the charts of one. What it
 * returns renews them, and `isOpen` of it says which are looked at.
 */
function tensors(more = () => null) {
  let all = tensorsOf("steps");
  if (!all.length) return Object.assign(() => {}, { isOpen: () => false });
  const table = overview(all);
  root.append(make("h2", "", "Tensors"), table);
  let open = 0;
  const sections = all.map((tensor, at) => {
    const quiet = make("span", "quiet");
    const details = make("details", "tensor", make("summary", "", make("b", "", tensor.name), quiet));
    details.id = `t${at}`;
    let grid = null;
    const renew = () => {
      const there = read(all[at].parts);
      details.hidden = !there.length;
      if (!there.length) return;
      const what = there.map(({ tensor }) => `${tensor.dtype}, ${grouped(tensor.shape[0])} steps of ${shape(tensor.shape.slice(1))}` +
        (ofSteps(tensor) && `, of which ${grouped(tensor.measured)} were measured`));
      quiet.textContent = [...new Set(what)].join("; ");
      if (!details.open) return;
      if (grid) { grid.renew(all[at]); return; }
      grid = detail(all[at]);
      const above = more(all[at]);
      details.append(...[above, grid].filter(Boolean));
    };
    if (read(tensor.parts).length || more.isLive) details.open = open++ < OPEN;
    details.addEventListener("toggle", renew);
    root.append(details);
    renew();
    return { renew, details };
  });
  const renew = () => {
    all = tensorsOf("steps");
    table.renew(all);
    sections.forEach(({ renew }) => renew());
  };
  return Object.assign(renew, { isOpen: (name) => sections.some(({ details }, at) => details.open && all[at].name === name) });
}

/** A table of all tensors without steps; what it returns renews it. */
function constants() {
  const box = make("div");
  root.append(box);
  const renew = () => box.replaceChildren(...constantTable());
  renew();
  return renew;
}

function constantTable() {
  const all = tensorsOf("constant").filter(({ parts }) => read(parts).length);
  if (!all.length) return [];
  const isAll = DATA.files.every((file) => file.tensors.every((tensor) => tensor.kind === "constant"));
  const head = ["tensor", "dtype", "shape", "norm", "least", "median", "greatest", "zeros", "NaN, ∞"];
  const body = make("tbody");
  for (const { name, parts } of all) {
    for (const { number, tensor } of read(parts)) {
      const quantiles = tensor.spread.quantiles.map((numbers) => doubles(numbers)[0]);
      const bad = tensor.nan + tensor.infinite, isBool = tensor.dtype === "bool";
      const zeros = singles(tensor.spread.zeros)[0];
      const numbers = isBool ? [`${percent(1 - zeros)} true`, "", "", ""]
        : [short(doubles(tensor.ends.norm)[0]), short(quantiles[0]), short(quantiles[4]), short(quantiles[8])];
      const label = make("td", "", (several ? fileLabel(number) : "") + name);
      label.title = name;
      body.append(make("tr", "", label, ...[tensor.dtype, shape(tensor.shape), ...numbers, isBool ? "" : percent(zeros)]
        .map((cell) => make("td", "", cell)), make("td", bad ? "bad" : "", isBool ? "" : grouped(bad))));
    }
  }
  return [make("h2", "", isAll ? "Tensors" : "Constants"), make("div", "card", make("div", "scroll", make("table", "",
    make("thead", "", make("tr", "", ...head.map((title) => make("th", "", title)))), body)))];
}

function footer(from) {
  const notes = [
    "Norms are the root of the sum of squares over all finite values; what is NaN or infinite adds nothing and is counted. " +
      "Where a curve has more steps than points, its line is the mean of the steps of a point, and the band around it their least and greatest.",
    "A ULP is the distance to the next number that the dtype has. Charts: drag to zoom, double click for the whole.",
    `Made by ${DATA.made_by}, with uPlot 1.6.32. ${from}`,
  ];
  root.append(make("footer", "quiet", ...notes.map((note) => make("p", "", note))));
}

/** Takes other colours, and draws all again in them. */
function theme(name) {
  document.documentElement.dataset.theme = name;
  for (const chart of drawn) chart.draw();
}

const wantsDark = matchMedia("(prefers-color-scheme: dark)");
document.documentElement.dataset.theme = wantsDark.matches ? "dark" : "light";
wantsDark.addEventListener("change", () => theme(wantsDark.matches ? "dark" : "light"));

// Paper is white, and has all that is open.
let onScreen = null;
addEventListener("beforeprint", () => {
  onScreen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  for (const chart of drawn) chart.force();
});
addEventListener("afterprint", () => theme(onScreen));
