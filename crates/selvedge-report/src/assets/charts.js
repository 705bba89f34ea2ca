// Curves over the steps, by uPlot.

/** What is drawn, so that it is drawn anew in other colours. */
const drawn = new Set();
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fileColour = (file) => `--c${file % 8}`;

/** A toggle in the head of a card. */
function toggle(label, title, pressed, change) {
  const button = make("button", "", label);
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-pressed", pressed);
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", now);
    change(now);
  });
  return button;
}

/** Numbers as uPlot takes them: null is a gap. A logarithm needs numbers above zero. */
const plain = (numbers, log) => Array.from(numbers, (number) =>
  Number.isFinite(number) && (!log || number > 0) ? number : null);

/** What has a gap on both sides, and so no line. */
function lonely(self, at) {
  const there = [...self.data[at].keys()].filter((index) => self.data[at][index] !== undefined);
  const isGap = (index) => index === undefined || self.data[at][index] === null;
  return there.filter((index, nth) => !isGap(index) && isGap(there[nth - 1]) && isGap(there[nth + 1]));
}

/** A table of a curve that is broken where steps cannot be read: they have no numbers. */
function broken(table, gaps = []) {
  const ends = gaps.filter(([first, last]) => !table[0].some((step) => step >= first && step <= last)).flat();
  if (!ends.length) return table;
  const order = [...table[0].map((step, at) => [step, at]), ...[...new Set(ends)].map((step) => [step, -1])].sort(([a], [b]) => a - b);
  return table.map((column, nth) => order.map(([step, at]) => nth === 0 ? step : at < 0 ? null : column[at]));
}

/** The mean of what came before, in which a number counts half after `half` more points. */
function smoothed(numbers, half) {
  const keep = Math.pow(0.5, 1 / half);
  let sum = 0, weight = 0;
  return numbers.map((number) => {
    if (number == null) return null;
    sum = sum * keep + number * (1 - keep);
    weight = weight * keep + (1 - keep);
    return sum / weight;
  });
}

/**
 * A card with curves, which takes others by `renew`. `lines` have `label`, `colour` (the name of a variable), `x`, and `mean`, `min`, `max`; of those with
 * `bars` there is a bar for each number, and `gaps` of one are the steps that cannot be read: the first and the last of each range. `x` writes what lies along the axis, where that is not steps. `log` and `smooth` say which is on at first; null leaves the toggle out.
 */
function chart({ title, note, lines: first, log = false, smooth = null, percent: isShare = false, fan = false, x: writeX = null }) {
  const head = make("div", "head", make("h3", "", title));
  const legend = make("div", "legend");
  const plot = make("div", "plot");
  const card = make("div", "card", head, legend, plot, note ? make("p", "note", note) : null);
  const write = isShare ? percent : short;
  let built = null, lines = [], entries = [];
  const state = { log: log === true, smooth: smooth === true, isOther: false };

  /** Takes these lines, and shows what they are. */
  function take(now) {
    const labels = (lines) => JSON.stringify(lines.map((line) => [line.label, line.colour, Boolean(line.min), Boolean(line.gaps?.length)]));
    const isSame = labels(now) === labels(lines);
    lines = now;
    const labelled = lines.filter((line) => line.label);
    if (isSame) {
      entries.forEach((entry, at) => { entry.line = labelled[at]; });
      return true;
    }
    entries = labelled.map((line) => ({ line, key: make("i", ""), value: make("b", "") }));
    legend.replaceChildren(...entries.map(({ line, key, value }) => make("span", "", key, line.label + " ", value)));
    if (lines.some((line) => line.gaps?.length)) legend.append(make("span", "", make("i", "gap"), "cannot be read"));
    return false;
  }

  /** What uPlot is given: the numbers, and how they are drawn. */
  function given() {
    const tables = [], series = [{}], bands = [];
    for (const line of lines) {
      const colour = css(line.colour), faint = colour + (fan ? "30" : "2e");
      const mean = plain(line.mean, state.log);
      const table = [Array.from(line.x)];
      if (line.min) {
        const first = series.length;
        table.push(plain(line.max, state.log), plain(line.min, state.log));
        for (let edge = 0; edge < 2; edge++) series.push({ width: 0, points: { show: false } });
        bands.push({ series: [first, first + 1], fill: faint });
      }
      if (!line.edges) {
        if (state.smooth) {
          table.push(mean);
          series.push({ stroke: colour + "50", width: 1, points: { show: false } });
        }
        table.push(state.smooth ? smoothed(mean, Math.max(2, mean.length / 60)) : mean);
        line.at = series.length;
        const few = mean.length < 3;
        series.push({ stroke: colour, width: line.width || 1.6, points: { show: few, size: few ? 6 : 4, filter: few || line.bars ? null : lonely },
          ...line.bars && { paths: uPlot.paths.bars({ size: [1, 60] }), fill: colour + "90", width: 0 } });
      }
      tables.push(broken(table, line.gaps));
    }
    return { series, bands, data: uPlot.join(tables, tables.map((table) => table.map(() => 2))) };
  }

  function draw() {
    if (built) built.destroy();
    state.isOther = false;
    const { series, bands, data } = given();
    const axis = { stroke: css("--quiet"), font: "11px system-ui, sans-serif", grid: { stroke: css("--grid"), width: 1 },
      ticks: { show: false } };
    const width = Math.max(plot.clientWidth, 120);
    built = new uPlot({
      width, height: Math.round(Math.max(170, Math.min(250, width * 0.46))),
      series, bands,
      legend: { show: false },
      scales: { x: { time: false }, y: { distr: state.log ? 3 : 1, range: state.log ? undefined : limits } },
      axes: [
        { ...axis, size: 26, gap: 4, space: 60, values: (_, ticks) => ticks.map((tick) => writeX ? writeX(tick) : Number.isInteger(tick) ? grouped(tick) : "") },
        { ...axis, size: (_, texts) => Math.max(58, ...(texts || []).map((text) => 10 + 7 * text.length)), gap: 4, values: (_, ticks) => apart(ticks, write) },
      ],
      cursor: { ...!writeX && { sync: { key: "steps", scales: ["x", null] } }, points: { size: 6 }, drag: { x: true, y: false } },
      hooks: { drawClear: [shade], setCursor: [tell], setSelect: [zoom] },
    }, data, plot);
    if (state.zoom) built.setScale("x", state.zoom);
    for (const { line, key } of entries) key.style.background = css(line.colour);
    tell(built);
  }

  /** Marks the steps that cannot be read. */
  function shade(self) {
    const { left, top, width, height } = self.bbox, pen = self.ctx;
    const at = (step) => Math.max(left, Math.min(left + width, self.valToPos(step, "x", true)));
    pen.fillStyle = css("--gap");
    for (const [first, last] of lines.flatMap((line) => line.gaps || [])) {
      const from = at(first - 0.5), to = at(last + 0.5);
      if (to > from) pen.fillRect(from, top, Math.max(2, to - from), height);
    }
  }

  function zoom(self) {
    const { left, width } = self.select;
    if (width > 0) state.zoom = { min: self.posToVal(left, "x"), max: self.posToVal(left + width, "x") };
  }

  function limits(self, min, max) {
    if (min == null) return [0, 1];
    if (min === max) return min === 0 ? [0, 1] : [min - Math.abs(min) / 10, max + Math.abs(max) / 10];
    const space = (max - min) * 0.06;
    return [min >= 0 && min < space * 4 ? Math.min(0, min) : min - space, isShare ? Math.min(max + space, Math.max(max, 1)) : max + space];
  }

  function tell(self) {
    const at = self.cursor.idx;
    for (const { line, value } of entries) {
      const steps = self.data[0], drawn = self.data[line.at];
      const index = at == null ? line.x.length - 1 : line.x.indexOf(steps[at]);
      // What a logarithm or a gap leaves out of the picture is here as it is.
      const number = drawn?.[at ?? steps.indexOf(line.x[index])] ?? line.mean[index];
      value.textContent = index < 0 ? "" : write(number) + (at == null ? "" : ` at ${(writeX || grouped)(steps[at])}`);
    }
  }

  plot.addEventListener("dblclick", () => { state.zoom = null; });
  if (log !== null) {
    head.append(toggle("log", "a logarithmic scale", state.log, (on) => { state.log = on; draw(); }));
  }
  if (smooth !== null) {
    head.append(toggle("smooth", "a running mean over the curve", state.smooth, (on) => { state.smooth = on; draw(); }));
  }
  take(first);
  const ifDrawn = shown(card, draw, () => built && built.setSize({ width: Math.max(plot.clientWidth, 120), height: built.height }));
  card.renew = ({ lines }) => {
    state.isOther = !take(lines) || state.isOther;
    ifDrawn(() => {
      if (state.isOther || !built || lines.some((line) => line.mean.length < 4)) return draw();
      built.setData(given().data, !state.zoom);
      if (state.zoom) built.redraw();
      tell(built);
    });
  };
  return card;
}

/** Milliseconds of a frame in which cards are drawn; what is left is drawn in the next ones. */
const DRAWING = 8;
const waiting = new Map();

/** Draws a card in one of the next frames: many at once would hold up whoever scrolls. */
function soon(card, work) {
  if (!waiting.size) requestAnimationFrame(drawSome);
  waiting.set(card, work);
}

function drawSome() {
  const end = performance.now() + DRAWING;
  for (const [card, work] of waiting) {
    waiting.delete(card);
    if (card.isConnected) work();
    if (performance.now() > end) break;
  }
  if (waiting.size) requestAnimationFrame(drawSome);
}

/**
 * Draws when the card is near the screen, and again in other colours; `fit` follows its width. What it returns does
 * something if the card has been drawn; if that is far from the screen now, it is drawn anew when it comes back.
 */
function shown(card, draw, fit) {
  let width = 0, isDrawn = false, isNear = false, isOld = false;
  const again = { draw: () => { if (isDrawn) draw(); }, force: () => { if (card.isConnected && card.clientWidth) { isDrawn = true; draw(); } } };
  drawn.add(again);
  const resized = new ResizeObserver(() => {
    if (isDrawn && card.clientWidth && card.clientWidth !== width) { width = card.clientWidth; fit(); }
  });
  const near = new IntersectionObserver((entries) => {
    isNear = entries[entries.length - 1].isIntersecting;
    if (!isNear || (isDrawn && !isOld)) return;
    if (!isDrawn) resized.observe(card);
    isDrawn = true;
    isOld = false;
    width = card.clientWidth;
    soon(card, draw);
  }, { rootMargin: "600px" });
  near.observe(card);
  return (work) => {
    if (isNear && isDrawn) soon(card, work);
    else isOld = isDrawn;
  };
}
