// The page about a run that may go on: what is new comes from the server that made it, and slices when they are asked for.

const ALL_STEPS = "With --all-steps, and without --steps, all are.";
/** Milliseconds between two questions: of a run that is recorded, and of one that is not. */
const LIVE = 1000, ENDED = 4000;

/** What the server has; an error has its words. */
async function ask(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (response.ok) return response;
  throw new Error(await response.text() || `the server answers ${response.status}`);
}

/** A slice: numbers about it, and its cells. */
async function askSlice(path) {
  const buffer = await (await ask(path)).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { ...head, cells: widened(new Uint16Array(buffer.slice(4 + length))) };
}

/** The state of a file: whether it is recorded, how far it is, and how fast. */
const pace = DATA.files.map(() => ({ steps: [] }));
function state(file, number) {
  const badge = make("span", file.is_live && !lost ? "badge live" : "badge", make("i"));
  const { steps } = pace[number];
  const [first, last] = [steps[0], steps[steps.length - 1]];
  const each = steps.length > 1 && last.at > first.at ? (last.count - first.count) / (last.at - first.at) * 1000 : 0;
  const speed = each > 0 ? `, ${short(Number(each.toPrecision(2)))} steps/s` : "";
  const of = file.planned ? ` of ${grouped(file.planned)}` : "";
  badge.append(lost ? "the server has ended" : `live: ${grouped(file.steps)}${of} steps${speed}`);
  const parts = lost || file.is_live ? [make("p", "", badge)] : [];
  if (file.is_live && file.planned) {
    const done = make("div");
    done.style.transform = `scaleX(${Math.min(1, file.steps / file.planned)})`;
    parts.push(make("div", "bar", done));
  }
  if (file.problem) parts.push(make("p", "warning", file.problem));
  return parts;
}

/** A field for a whole number. */
function field(label, most, change) {
  const input = make("input");
  input.type = "number";
  input.min = 0;
  input.max = most;
  input.setAttribute("aria-label", label);
  input.addEventListener("change", () => { if (input.value !== "") change(Number(input.value)); });
  return input;
}

/** Looking into a tensor: a step as a picture, with a histogram, and a row over all steps. */
function look(file, number, tensor) {
  const place = file.tensors.indexOf(tensor);
  const box = make("div", "look");
  const state = { step: null, follow: true, of: "values", asked: null, busy: false };
  const last = () => file.tensors[place].shape[0] - 1;
  const range = make("input");
  range.type = "range";
  range.min = 0;
  range.setAttribute("aria-label", "step");
  const stepField = field("step", last(), (step) => to(step));
  const follow = toggle("last", "goes on to the last step, as steps come", true, (on) => { state.follow = on; if (on) refresh(); });
  const select = make("select");
  select.title = "what is shown of the step";
  for (const [value, label] of [["values", "values"], ["change", "change from the step before"]]) {
    const option = make("option", "", label);
    option.value = value;
    select.append(option);
  }
  const rows = tensor.shape[1];
  const rowField = field("row", rows - 1, (row) => showRow(row));
  const facts = make("span", "facts");
  const controls = make("div", "controls", make("b", "", "a step"), range, make("label", "", "step", stepField), follow, select,
    rows > 1 ? make("label", "", "row", rowField) : null, facts);
  const problem = make("p", "warning");
  problem.hidden = true;
  const partly = [make("p", "warning"), make("p", "warning")];
  for (const told of partly) told.hidden = true;
  const side = make("div", "side");
  box.append(controls, problem, partly[0], side);
  let image = null, bars = null;

  function to(step) {
    state.follow = false;
    follow.setAttribute("aria-pressed", "false");
    state.step = Math.max(0, Math.min(last(), Math.round(step)));
    load();
  }

  /** Loads what is wanted; what is wanted meanwhile comes after it. */
  async function load() {
    range.max = stepField.max = last();
    const step = state.follow ? last() : state.step;
    range.value = step;
    if (document.activeElement !== stepField) stepField.value = step;
    const wanted = `step?file=${number}&tensor=${place}&step=${step}&of=${state.of}`;
    if (step < 0 || wanted === state.asked || state.busy) return;
    state.busy = true;
    state.asked = wanted;
    try {
      const began = performance.now();
      const found = await askSlice(wanted);
      problem.hidden = true;
      show(found, performance.now() - began);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    state.busy = false;
    load();
  }

  /** Says of the step, or of the row, what cannot be read of it. */
  function tellPartly(which, text) {
    partly[which].textContent = text ? text[0].toUpperCase() + text.slice(1) : "";
    partly[which].hidden = !text;
  }

  function show({ number: step, slice, cells }, took) {
    tellPartly(0, slice.partly);
    const { first_rows: firstRows, first_columns: firstColumns, columns } = slice;
    const lines = firstRows.map((_, line) => line);
    const name = (line, column) => slice.list
      ? `value ${grouped(firstRows[line] + firstColumns[column])}`
      : `${rowName(firstRows[line], 1)}, column ${grouped(firstColumns[column])}`;
    const isOne = !slice.is_sampled && slice.rows <= 1000 && firstColumns.length === columns;
    // A line where rows are that cannot be read.
    const gaps = (slice.unread || []).map(([first]) => firstRows.findIndex((row) => row > first)).filter((line) => line > 0);
    const spec = {
      title: state.of === "change" ? `change at step ${grouped(step)}` : `values at step ${grouped(step)}`,
      columns: firstColumns, cells, signed: true, usual: slice.usual, log: false, height: 460, unit: "",
      views: [{ label: "", rows: lines, marks: marksOf(firstRows), lines: gaps }],
      tip: (_, line, column, cell) => `${name(line, column)}\n${isOne ? "" : "the farthest from zero here: "}${short(cell)}`,
      note: "Blue is below zero, red above; what is NaN or infinite is violet. Click a row to see it over all steps, drag to zoom.",
      pick: (line) => { if (!slice.list) showRow(firstRows[line]); },
    };
    if (image) {
      image.querySelector("h3").textContent = spec.title;
      image.renew(spec);
    } else {
      image = picture(spec);
      side.before(image);
    }
    const ends = slice.spread.quantiles.map((numbers) => doubles(numbers)[0]);
    const width = (ends[8] - ends[0]) / Math.max(1, slice.bars.length);
    const histogram = [{ colour: fileColour(number), x: slice.bars.map((_, at) => ends[0] + (at + 0.5) * width), mean: slice.bars, bars: true }];
    if (bars) {
      bars.renew({ lines: histogram });
    } else {
      bars = chart({ title: "histogram", lines: histogram, x: short, log: false });
      side.append(bars);
    }
    const zeros = singles(slice.spread.zeros)[0];
    const words = [["least", short(ends[0])], ["1 %", short(ends[1])], ["median", short(ends[4])], ["99 %", short(ends[7])], ["greatest", short(ends[8])],
      ["zeros", percent(zeros)], ["NaN", grouped(slice.nan)], ["∞", grouped(slice.infinite)]];
    const list = make("dl", "facts", ...words.map(([what, value]) => make("div", "", make("dt", "", what), make("dd", "", value))));
    const every = slice.spread.every > 1 ? make("p", "note", `The median and percentages but that of zeros are of one value in ${grouped(slice.spread.every)}.`) : null;
    const sampled = slice.is_sampled ? make("p", "note", `Of this step ${grouped(firstRows.length)} lines were read, which are spread evenly.`) : null;
    bars.below?.remove();
    bars.below = make("div", "", list, every, sampled);
    bars.append(bars.below);
    facts.textContent = `${bytes(slice.bytes)} in ${Math.round(took)} ms`;
  }

  /** A row over the steps: each column has the value that is farthest from zero, of so many steps. */
  let over = null, rowCard = null;
  function showRow(row) {
    rowField.value = row;
    if (over?.row === row) return;
    over = { row, each: 1, end: 0, columns: [], usual: 0, isSampled: false };
    goOnWithRow();
  }

  /** Adds the steps that have come since; one question at a time. */
  async function goOnWithRow() {
    const of = over;
    if (!of || of.busy || of.end > last()) return;
    of.busy = true;
    try {
      const found = await askSlice(`row?file=${number}&tensor=${place}&row=${of.row}&from=${of.end}`);
      if (of !== over) return;
      problem.hidden = true;
      if (found.token) DATA.tokens[of.row] = found.token;
      of.partly ||= found.slice.partly;
      addToRow(of, found);
      drawRow(of);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    of.busy = false;
  }

  function addToRow(of, { slice, cells }) {
    const { each, first_rows: steps, first_columns: firsts, rows: end } = slice;
    Object.assign(of, { end, firsts, usual: Math.max(of.usual, slice.usual), isSampled: of.isSampled || slice.is_sampled });
    const put = (column, line) => {
      const there = of.columns[column];
      of.columns[column] = there ? there.map((cell, at) => isBeyond(line[at], cell) ? line[at] : cell) : line;
    };
    // Two columns become one before there are too many, as in all charts.
    while (of.each < each) {
      const before = of.columns;
      of.each *= 2;
      of.columns = [];
      before.forEach((line, column) => put(column >> 1, line));
    }
    steps.forEach((step, line) => put(Math.floor(step / of.each), cells.slice(line * firsts.length, (line + 1) * firsts.length)));
  }

  function drawRow(of) {
    tellPartly(1, of.partly);
    // Where steps were left out, a column may have none of its own.
    const there = Array.from(of.columns, (line, column) => line && column).filter((column) => column !== undefined);
    const steps = there.map((column) => column * of.each), count = steps.length, high = of.firsts.length;
    // Steps go to the right, as in all other charts.
    const turned = new Float32Array(high * count);
    there.forEach((column, at) => of.columns[column].forEach((cell, line) => { turned[line * count + at] = cell; }));
    const lines = of.firsts.map((_, line) => line);
    const several = of.each > 1 ? `Each point is of ${grouped(of.each)} steps, the value that is farthest from zero. ` : "";
    const sampled = of.isSampled ? "Some of the steps were read, which are spread evenly. " : "";
    const spec = {
      title: `${rowName(of.row, 1)} over the steps`,
      columns: steps, cells: turned, signed: true, usual: of.usual, log: false, height: 260, unit: "",
      views: [{ label: "", rows: lines, marks: marksOf(of.firsts) }],
      tip: (_, line, column, cell) => `column ${grouped(of.firsts[line])}\n${stepsOf(steps, column, false)}\n${short(cell)}`,
      note: `${several}${sampled}Click a step to see all of it.`,
      pick: (_, column) => to(of.columns.length ? there[column] * of.each : 0),
    };
    if (of.card) return of.card.renew(spec);
    of.card = picture(spec);
    of.card.classList.add("row");
    rowCard ? rowCard.replaceWith(of.card) : box.append(partly[1], of.card);
    rowCard = of.card;
  }

  range.addEventListener("input", () => to(Number(range.value)));
  select.addEventListener("change", () => { state.of = select.value; load(); });
  const refresh = () => load();
  box.renew = () => {
    if (!box.offsetParent) return;
    load();
    goOnWithRow();
  };
  looks.push(box);
  load();
  return box;
}

/** Labels at lines that have round numbers. */
const marksOf = (numbers) => (top, bottom) => roundSteps(numbers[top], numbers[bottom - 1], 8).map((number) => {
  const line = numbers.findIndex((first) => first >= number);
  return { row: line + 0.5, label: grouped(numbers[line]) };
});

/** Bytes for people. */
function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let at = 0;
  while (count >= 1000 && at < 3) { count /= 1000; at++; }
  return `${Number(count.toPrecision(3))} ${units[at]}`;
}

const looks = [];
let lost = false;
const more = ({ parts }) => make("div", "", ...read(parts).map(({ file, number, tensor }) => look(file, number, tensor)));
more.isLive = true;
const renewals = [header(state), warnings(), scalars(), tensors(more), constants()];
footer("All of it comes from the program on this machine.");

/** The tensors whose charts are looked at. */
function open() {
  const found = [];
  DATA.files.forEach((file, number) => file.tensors.forEach((tensor, at) => {
    if (tensor.kind === "steps" && renewals[3].isOpen(tensor.name)) found.push(`${number}.${at}`);
  }));
  return found.join(",");
}

/** Asks for what is new, and shows it; one question at a time. */
let version = DATA.version, opened = open(), asking = null;
const renew = () => asking ??= news().finally(() => { asking = null; });
async function news() {
  const now = open();
  // What was opened since is wanted as a whole.
  const since = now.split(",").every((one) => opened.split(",").includes(one)) ? version : 0;
  try {
    const news = await (await ask(`news?since=${since}&open=${now}`)).json();
    lost = false;
    version = news.version;
    opened = now;
    Object.assign(DATA.tokens, news.tokens);
    news.files.forEach((file, number) => {
      const mine = DATA.files[number];
      file.at.forEach((at, nth) => {
        const heat = file.tensors[nth].heat || mine.tensors[at].heat;
        mine.tensors[at] = { ...file.tensors[nth], heat };
      });
      const { lines, is_sampled, is_live, steps, planned, problem } = file;
      Object.assign(mine, { lines, is_sampled, is_live, steps, planned, problem });
      pace[number].steps.push({ at: performance.now(), count: steps });
      pace[number].steps.splice(0, pace[number].steps.length - 8);
    });
    if (news.files.some((file) => file.at.length)) {
      for (const renewal of renewals.slice(1)) renewal();
      for (const box of looks) box.renew();
    }
  } catch {
    lost = true;
  }
  renewals[0]();
}

async function goOn() {
  // A page that nobody sees asks for nothing.
  if (!document.hidden) await renew();
  setTimeout(goOn, DATA.files.some((file) => file.is_live) && !lost ? LIVE : ENDED);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
addEventListener("toggle", () => renew(), true);
goOn();
