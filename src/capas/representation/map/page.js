"use strict";
// The page of a map. It holds everything it shows and asks for nothing from outside; MapLibraries is vendor/libraries.js.
(async () => {
const { zoom, zoomIdentity, select, KDBush } = MapLibraries;
const $ = id => document.getElementById(id);
const facts = JSON.parse($("facts").textContent);
const map = $("map"), over = $("over"), card = $("card");
let language = facts.language;

// Words and numbers ---------------------------------------------------------------------------------------------------
const say = (key, values = {}) =>
  facts.words[language][key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const whole = value => new Intl.NumberFormat(language, { useGrouping: "always" }).format(value);
const percent = value => new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(100 * value) + " %";
const decimal = (value, digits) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
const quantity = value => new Intl.NumberFormat(language, { maximumSignificantDigits: 4 }).format(value);
// What acts where it is shown (control characters, overrides of the direction of writing) is written out.
const shown = text => text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu,
  one => "\\u" + one.charCodeAt(0).toString(16).padStart(4, "0"));
const folded = text => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// What the page holds -------------------------------------------------------------------------------------------------
function bytes(name) {
  const text = $("block-" + name).textContent, raw = atob(text), held = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) held[i] = raw.charCodeAt(i);
  $("block-" + name).remove();
  return held;
}
async function unpacked(name) {
  const stream = new Blob([bytes(name)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
const positions = new Float32Array(await unpacked("positions"));
const items = JSON.parse(new TextDecoder().decode(await unpacked("items")));
const count = facts.count, names = items.names, columns = items.columns;
for (const [number, column] of columns.entries()) {
  const block = column.kind === "text" ? null : await unpacked("column-" + number);
  column.values = column.kind === "category" ? new Uint16Array(block)
    : column.kind === "number" ? new Float32Array(block) : column.values;
}
const sheets = [];
let slots = null, sizes = null;
if (facts.sheets) {
  slots = new Int32Array(await unpacked("slots"));
  sizes = new Uint8Array(await unpacked("sizes"));
  for (let i = 0; i < facts.sheets; i++) sheets.push(null);
}
function sheet(number) {  // decoded when it is first looked at
  if (!sheets[number]) {
    const image = new Image();
    image.onload = () => { image.ready = true; draw(); if (pinned >= 0) showCard(pinned); };
    image.src = "data:image/webp;base64," + $("block-sheet-" + number).textContent;
    sheets[number] = image;
  }
  return sheets[number];
}
const hasPicture = point => slots !== null && slots[point] >= 0;
// Draws the picture of a point within a square about (x, y); returns its size, or null where it is not there yet.
function drawPicture(context, point, x, y, room) {
  const slot = slots[point], perSheet = facts.across ** 2, image = sheet(Math.floor(slot / perSheet));
  if (!image.ready) return null;
  const place = slot % perSheet, side = facts.side, w = sizes[2 * slot], h = sizes[2 * slot + 1];
  const scale = room / Math.max(w, h), dw = w * scale, dh = h * scale;
  context.imageSmoothingEnabled = scale < 3;
  context.drawImage(image, place % facts.across * side, Math.floor(place / facts.across) * side, w, h,
    x - dw / 2, y - dh / 2, dw, dh);
  return [dw, dh];
}
const cell = (column, point) => column.kind === "category" ? column.categories[column.values[point]]
  : column.kind === "number" ? (Number.isNaN(column.values[point]) ? "" : quantity(column.values[point]))
  : column.values[point];

// Colours -------------------------------------------------------------------------------------------------------------
// Ten colours that people with any kind of colour vision tell apart (Petroff 2021, arXiv:2107.02270); viridis.
const TEN = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"];
const TEN_DARK = ["#5aa7ee", "#ffb53a", "#f0614a", "#a9b8b6", "#b87ae2", "#c58c7b", "#ff8a3d", "#cfc48d", "#9097a5", "#a9e7e9"];
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const dark = () => document.documentElement.dataset.theme === "dark";
const rgb = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
const other = () => dark() ? "#5b6673" : "#b8bec6";
const plain = () => dark() ? "#5aa7ee" : "#2f7fc4";
function gradient(share) {
  const at = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1), low = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const [from, to] = [rgb(VIRIDIS[low]), rgb(VIRIDIS[low + 1])];
  return from.map((value, i) => Math.round(value + (to[i] - value) * (at - low)));
}
let coloured = facts.colour;  // number of the column, -1 for none
const hidden = columns.map(column => column.kind === "category" ? new Set() : null);
const category = () => coloured >= 0 && columns[coloured].kind === "category" ? columns[coloured] : null;
// Categories are in the order of their counts: the ten most frequent have a colour each, where there are more, nine.
const categoryColour = number => {
  const total = category().categories.length, named = total > 10 ? 9 : 10;
  if (category().categories[number] === "") return other();
  return number < named ? (dark() ? TEN_DARK : TEN)[number] : other();
};
function colourOf(point) {
  const column = columns[coloured];
  if (!column) return rgb(plain());
  if (column.kind === "category") return rgb(categoryColour(column.values[point]));
  const value = column.values[point];
  return Number.isNaN(value) ? rgb(other()) : gradient((value - column.low) / (column.high - column.low || 1));
}
const css = colour => `rgb(${colour.join()})`;

// Drawing -------------------------------------------------------------------------------------------------------------
const gl = $("points").getContext("webgl2", { antialias: false, alpha: true });
if (!gl) { map.append(element("p", { className: "problem", textContent: say("no_webgl") })); return; }
const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; uniform vec4 view; uniform float size; out vec4 tint;
void main() {
  gl_Position = colour.a == 0.0 ? vec4(2.0) : vec4(place * view.xy + view.zw, 0.0, 1.0);
  gl_PointSize = size; tint = colour;
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 tint; uniform float size; out vec4 pixel;
void main() {
  float edge = length(gl_PointCoord - 0.5) * size, half_size = 0.5 * size;
  float inside = clamp(half_size - edge, 0.0, 1.0) * tint.a;
  pixel = vec4(tint.rgb * inside, inside);
}`;
function shader(kind, source) {
  const made = gl.createShader(kind);
  gl.shaderSource(made, source);
  gl.compileShader(made);
  return made;
}
const program = gl.createProgram();
gl.attachShader(program, shader(gl.VERTEX_SHADER, VERTEX));
gl.attachShader(program, shader(gl.FRAGMENT_SHADER, FRAGMENT));
gl.linkProgram(program);
if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
gl.useProgram(program);
gl.enable(gl.BLEND);
gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
// Points are drawn in a mixed order, lest the last class hide the others; the same at every opening.
const order = Uint32Array.from({ length: count }, (_, i) => i);
for (let i = count - 1, state = 1; i > 0; i--) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  const j = state % (i + 1);
  [order[i], order[j]] = [order[j], order[i]];
}
function buffer(name, content, size, kind, normalised) {
  const at = gl.getAttribLocation(program, name), made = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, made);
  gl.bufferData(gl.ARRAY_BUFFER, content, gl.DYNAMIC_DRAW);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, size, kind, normalised, 0, 0);
  return made;
}
const placed = new Float32Array(2 * count);
order.forEach((point, i) => placed.set([positions[2 * point], positions[2 * point + 1]], 2 * i));
buffer("place", placed, 2, gl.FLOAT, false);
const tints = new Uint8Array(4 * count), tintBuffer = buffer("colour", tints, 4, gl.UNSIGNED_BYTE, true);
const uniform = name => gl.getUniformLocation(program, name), viewAt = uniform("view"), sizeAt = uniform("size");

const visible = new Uint8Array(count).fill(1);
let selected = null, hits = null;  // sets of points; what is not in them is dimmed
const lit = () => selected ?? hits;
let layouts = new Map(), places = [];
function recolour() {
  const column = category(), away = column ? hidden[coloured] : null, focus = lit();
  const opaque = count > 20000 ? 165 : count > 3000 ? 200 : 230;
  for (let i = 0; i < count; i++) {
    const point = order[i];
    visible[point] = away && away.has(column.values[point]) ? 0 : 1;
    const [r, g, b] = colourOf(point);
    tints[4 * i] = r; tints[4 * i + 1] = g; tints[4 * i + 2] = b;
    tints[4 * i + 3] = !visible[point] ? 0 : focus && !focus.has(point) ? 26 : opaque;
  }
  gl.bindBuffer(gl.ARRAY_BUFFER, tintBuffer);
  gl.bufferSubData(gl.ARRAY_BUFFER, 0, tints);
  layouts = new Map();
  places = labelPlaces();
  draw();
}

let width = 1, height = 1, scale = 1, ratio = 1, transform = zoomIdentity, waiting = false;
const context = over.getContext("2d");
const baseX = point => width / 2 + positions[2 * point] * scale, baseY = point => height / 2 - positions[2 * point + 1] * scale;
const screen = point => [transform.applyX(baseX(point)), transform.applyY(baseY(point))];
const pointSize = () => Math.min(13, Math.max(2.2, Math.min(6, 400 / Math.sqrt(count))) * transform.k ** 0.3);
function resize() {
  const old = [width, height];
  width = map.clientWidth; height = map.clientHeight; ratio = Math.min(2, devicePixelRatio || 1);
  scale = 0.44 * Math.min(width, height);
  for (const canvas of [$("points"), over]) { canvas.width = width * ratio; canvas.height = height * ratio; }
  gl.viewport(0, 0, width * ratio, height * ratio);
  layouts = new Map();
  if (old[0] !== width || old[1] !== height) draw();
}
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(now => { waiting = false; drawNow(now); });
}
// While the map is moved, a machine that draws slowly draws the first points of the mixed order only, as many as it can
// in time; all of them as soon as the map rests.
const FEWEST = 3000, SLOW = 40, FAST = 22;
let moving = 0, affordable = count, before = 0;
function keepUp(now) {
  const took = now - before;
  before = now;
  if (!moving || took > 1000) return count;
  if (took > SLOW) affordable = Math.max(FEWEST, affordable * Math.max(0.4, SLOW / took));
  else if (took < FAST) affordable = Math.min(count, affordable * 1.15);
  return Math.min(count, Math.round(affordable));
}
function moves() {
  clearTimeout(moving);
  moving = setTimeout(() => { moving = 0; draw(); }, 160);
  draw();
}
function drawNow(now) {
  const { x, y, k } = transform;
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.uniform4f(viewAt, 2 * k * scale / width, 2 * k * scale / height,
    2 * (x + k * width / 2) / width - 1, 1 - 2 * (y + k * height / 2) / height);
  gl.uniform1f(sizeAt, pointSize() * ratio);
  gl.drawArrays(gl.POINTS, 0, keepUp(now));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  drawn = [];
  if (slots && pressed("pictures")) drawPictures();
  if (category() && pressed("labels")) drawLabels();
  const ring = pinned >= 0 ? pinned : hovered;
  if (ring >= 0) {
    const [px, py] = screen(ring);
    context.beginPath();
    context.arc(px, py, pointSize() / 2 + 5, 0, 7);
    context.lineWidth = 2.5;
    context.strokeStyle = style("--ink");
    context.stroke();
  }
  if (path.length > 1) {
    context.beginPath();
    path.forEach(([px, py], i) => i ? context.lineTo(px, py) : context.moveTo(px, py));
    context.closePath();
    context.fillStyle = style("--accent") + "22";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = style("--accent");
    context.stroke();
  }
}
const styles = {};
function style(name) {
  const key = name + dark();
  return styles[key] ??= getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Pictures stand where they hide none of those chosen before them, in one fixed order: they stay where they are when the
// map is moved, and more appear at each doubling of the scale.
const PICTURE = 40;
let drawn = [];
function pictureLayout(level) {
  if (layouts.has(level)) return layouts.get(level);
  const apart = 1.12 * PICTURE / 2 ** level, cells = new Map(), chosen = [], focus = lit();
  const key = (a, b) => a * 1000003 + b;
  for (let i = 0; i < count; i++) {
    const point = order[i];
    if (slots[point] < 0 || !visible[point] || focus && !focus.has(point)) continue;
    const px = baseX(point), py = baseY(point), a = Math.floor(px / apart), b = Math.floor(py / apart);
    let free = true;
    for (let da = -1; da <= 1 && free; da++) for (let db = -1; db <= 1 && free; db++) {
      const near = cells.get(key(a + da, b + db));
      if (near !== undefined && Math.abs(baseX(near) - px) < apart && Math.abs(baseY(near) - py) < apart) free = false;
    }
    if (free) { cells.set(key(a, b), point); chosen.push(point); }
  }
  layouts.set(level, chosen);
  return chosen;
}
function drawPictures() {
  const level = Math.min(12, Math.floor(Math.log2(transform.k)));
  const side = Math.min(PICTURE * transform.k / 2 ** level, 96);
  for (const point of pictureLayout(level)) {
    const [x, y] = screen(point);
    if (x < -side || y < -side || x > width + side || y > height + side) continue;
    const size = drawPicture(context, point, x, y, side - 6);
    if (!size) continue;
    context.lineWidth = 2;
    context.strokeStyle = css(colourOf(point));
    context.strokeRect(x - size[0] / 2 - 1, y - size[1] / 2 - 1, size[0] + 2, size[1] + 2);
    drawn.push([point, x, y, side / 2]);
  }
}

// The name of a category stands where most of its points are.
const FIELDS = 28, MOST_LABELS = 24, ABOVE = 18;  // pixels, lest it cover a small group
function labelPlaces() {
  const column = category();
  if (!column) return [];
  const shownCategories = column.categories.slice(0, MOST_LABELS);
  const grids = shownCategories.map(() => new Float64Array(3 * FIELDS * FIELDS));
  for (let point = 0; point < count; point++) {
    const grid = grids[column.values[point]];
    if (!grid || !visible[point]) continue;
    const x = positions[2 * point], y = positions[2 * point + 1];
    const at = 3 * (Math.min(FIELDS - 1, Math.floor((x + 1) / 2 * FIELDS)) * FIELDS
      + Math.min(FIELDS - 1, Math.floor((y + 1) / 2 * FIELDS)));
    grid[at]++; grid[at + 1] += x; grid[at + 2] += y;
  }
  return grids.flatMap((grid, number) => {
    let best = [0, 0, 0];
    for (let a = 0; a < FIELDS; a++) for (let b = 0; b < FIELDS; b++) {
      const sum = [0, 0, 0];
      for (let da = -2; da <= 2; da++) for (let db = -2; db <= 2; db++) {
        if (a + da < 0 || b + db < 0 || a + da >= FIELDS || b + db >= FIELDS) continue;
        const at = 3 * ((a + da) * FIELDS + b + db);
        for (let i = 0; i < 3; i++) sum[i] += grid[at + i];
      }
      if (sum[0] > best[0]) best = sum;
    }
    const name = column.categories[number];
    return best[0] && name ? [{ name: shown(name).slice(0, 28), x: best[1] / best[0], y: best[2] / best[0], number }] : [];
  });
}
function drawLabels() {
  const taken = [];
  context.font = "600 14px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { name, x, y, number } of places) {
    const px = transform.applyX(width / 2 + x * scale), py = transform.applyY(height / 2 - y * scale) - ABOVE;
    const half = context.measureText(name).width / 2 + 8;
    if (taken.some(one => Math.abs(one[0] - px) < one[2] + half && Math.abs(one[1] - py) < 24)) continue;
    taken.push([px, py, half]);
    context.fillStyle = style("--halo");
    context.beginPath();
    context.roundRect(px - half, py - 12, 2 * half, 24, 12);
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = categoryColour(number);
    context.stroke();
    context.fillStyle = style("--ink");
    context.fillText(name, px, py + 1);
  }
}

// Moving --------------------------------------------------------------------------------------------------------------
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const view = select(over);
let drawing = false;
const mover = zoom().scaleExtent([0.5, 4000]).clickDistance(4)
  .filter(event => !drawing && !event.shiftKey && !event.button)
  .on("zoom", event => { transform = event.transform; if (pinned >= 0) placeCard(pinned); moves(); });
view.call(mover).on("dblclick.zoom", null);
const moved = (milliseconds = 250) => calm ? view : view.transition().duration(milliseconds);
const zoomBy = factor => moved(180).call(mover.scaleBy, factor);
const reset = () => moved(400).call(mover.transform, zoomIdentity);
function goTo(points) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const point of points) {
    const x = baseX(point), y = baseY(point);
    left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
  }
  if (left > right) return;
  const room = Math.max(right - left, (bottom - top) * width / height, scale / 12);
  const k = Math.min(60, 0.8 * width / room);
  moved(500).call(mover.transform, zoomIdentity.translate(width / 2, height / 2).scale(k)
    .translate(-(left + right) / 2, -(top + bottom) / 2));
}

// The point under the pointer -----------------------------------------------------------------------------------------
const index = new KDBush(count);
for (let i = 0; i < count; i++) index.add(positions[2 * i], positions[2 * i + 1]);
index.finish();
let hovered = -1, pinned = -1;
function pointAt(x, y, reach) {
  for (const [point, px, py, half] of [...drawn].reverse())
    if (Math.abs(px - x) < half && Math.abs(py - y) < half) return point;
  const mapX = (transform.invertX(x) - width / 2) / scale, mapY = -(transform.invertY(y) - height / 2) / scale;
  let best = -1, least = Infinity;
  for (const point of index.within(mapX, mapY, reach / (scale * transform.k))) {
    const distance = (positions[2 * point] - mapX) ** 2 + (positions[2 * point + 1] - mapY) ** 2;
    if (visible[point] && distance < least) { least = distance; best = point; }
  }
  return best;
}
function showCard(point) {
  card.replaceChildren();
  if (hasPicture(point)) {
    const canvas = document.createElement("canvas"), slot = slots[point];
    const [w, h] = [sizes[2 * slot], sizes[2 * slot + 1]], room = Math.max(130, Math.max(w, h));
    canvas.width = Math.round(room * w / Math.max(w, h));
    canvas.height = Math.round(room * h / Math.max(w, h));
    drawPicture(canvas.getContext("2d"), point, canvas.width / 2, canvas.height / 2, room);
    card.append(canvas);
  }
  card.append(element("b", { textContent: shown(names[point]) }));
  const list = element("dl");
  let text = "";
  for (const column of columns) {
    const value = cell(column, point);
    if (value === "" || value === undefined) continue;
    if (column.name === "text") text = value;
    else if (list.childElementCount < 16)
      list.append(element("dt", { textContent: shown(column.name) }), element("dd", { textContent: shown(value).slice(0, 90) }));
  }
  card.append(list);
  if (text) card.append(element("p", { className: "text", textContent: shown(text) }));
  card.hidden = false;
  placeCard(point);
}
function placeCard(point) {
  const [x, y] = screen(point), { offsetWidth: w, offsetHeight: h } = card;
  card.style.left = Math.max(8, x + 18 + w > width - 8 ? x - 18 - w : x + 18) + "px";
  card.style.top = Math.max(8, Math.min(height - h - 8, y - h / 2)) + "px";
}
function hover(point) {
  if (point === hovered) return;
  hovered = point;
  over.classList.toggle("pointing", point >= 0);
  if (pinned < 0) { if (point >= 0) showCard(point); else card.hidden = true; }
  draw();
}
function pin(point) {
  pinned = point;
  if (point >= 0) showCard(point); else card.hidden = true;
  draw();
}
const at = event => { const box = over.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
over.addEventListener("pointermove", event => {
  if (path.length) {
    const [x, y] = at(event), [px, py] = path[path.length - 1];
    if (Math.hypot(x - px, y - py) > 3) { path.push([x, y]); draw(); }
  } else if (event.pointerType === "mouse" && !event.buttons) hover(pointAt(...at(event), 12));
});
over.addEventListener("pointerleave", () => hover(-1));
over.addEventListener("click", event => { if (!drawing && !lately) pin(pointAt(...at(event), 16)); });

// Drawing round points ------------------------------------------------------------------------------------------------
let path = [], lately = false;
function drawMode(on) {
  drawing = on;
  $("lasso").setAttribute("aria-pressed", on);
  over.classList.toggle("drawing", on);
  hint(on ? say("lasso_hint") : "");
}
over.addEventListener("pointerdown", event => {
  if (event.button || !(drawing || event.shiftKey)) return;
  over.setPointerCapture(event.pointerId);
  hover(-1);
  path = [at(event)];
});
function endPath() {
  if (!path.length) return;
  const polygon = path.map(([x, y]) => [(transform.invertX(x) - width / 2) / scale, -(transform.invertY(y) - height / 2) / scale]);
  path = [];
  lately = true;
  setTimeout(() => { lately = false; });
  drawMode(false);
  if (polygon.length > 2) choose(inside(polygon)); else draw();
}
over.addEventListener("pointerup", endPath);
over.addEventListener("pointercancel", () => { path = []; draw(); });
function inside(polygon) {
  const xs = polygon.map(one => one[0]), ys = polygon.map(one => one[1]), within = new Set();
  for (const point of index.range(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys))) {
    if (!visible[point]) continue;
    const x = positions[2 * point], y = positions[2 * point + 1];
    let odd = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++)
      if (ys[i] > y !== ys[j] > y && x < (xs[j] - xs[i]) * (y - ys[i]) / (ys[j] - ys[i]) + xs[i]) odd = !odd;
    if (odd) within.add(point);
  }
  return within;
}
function choose(points) {
  selected = points && points.size ? points : null;
  recolour();
  showChosen();
  if (selected) $("panel").scrollTo({ top: 0, behavior: calm ? "auto" : "smooth" });
}

// The panel -----------------------------------------------------------------------------------------------------------
const MOST_LISTED = 100;
const pressed = id => $(id).getAttribute("aria-pressed") === "true";
const link = (text, action) => element("button", { type: "button", className: "plain", textContent: text, onclick: action });
function listOf(points) {
  const list = element("ul", { className: "list" });
  for (const point of points) {
    if (list.childElementCount === MOST_LISTED) break;
    const button = element("button", { type: "button", textContent: shown(names[point]), title: shown(names[point]) });
    button.onclick = () => { goTo([point]); pin(point); };
    list.append(element("li", {}, button));
  }
  return list;
}
function showChosen() {
  const section = $("chosen");
  section.hidden = !selected;
  section.replaceChildren();
  if (!selected) return;
  section.append(element("div", { className: "head" },
    element("b", { textContent: say(selected.size === 1 ? "selected_one" : "selected", { n: whole(selected.size) }) }),
    link(say("save"), save), link(say("go"), () => goTo(selected)), link(say("clear"), () => choose(null))));
  const column = category();
  if (column) {
    const tally = new Map();
    for (const point of selected) tally.set(column.values[point], (tally.get(column.values[point]) ?? 0) + 1);
    const shares = element("ul", { className: "shares" });
    for (const [number, n] of [...tally].sort((a, b) => b[1] - a[1]).slice(0, 6)) {
      const dot = element("span", { className: "dot" });
      dot.style.setProperty("--dot", categoryColour(number));
      shares.append(element("li", {}, dot, shown(column.categories[number]) || say("no_value"),
        element("span", { textContent: `${whole(n)} · ${percent(n / selected.size)}` })));
    }
    section.append(shares);
  }
  section.append(listOf(selected));
  if (selected.size > MOST_LISTED) section.append(element("p", { className: "soft small", textContent: say("first", { n: MOST_LISTED }) }));
}
// No spreadsheet computes what is written: an apostrophe stands before what it would take for a formula.
function csvCell(text) {
  const formula = /^'*(?:\s*[=@]|\s*[+\-][^\n]*[A-Za-z(|!])/.test(text) && !/^[+-]?[\d.,]+(?:[eE][+-]?\d+)?%?$/.test(text.trim());
  return `"${((formula ? "'" : "") + shown(text)).replaceAll('"', '""')}"`;
}
function save() {
  const rows = [["name", "x", "y", ...columns.map(column => column.name)].map(csvCell).join()];
  for (const point of selected) rows.push([csvCell(names[point]), positions[2 * point].toFixed(5), positions[2 * point + 1].toFixed(5),
    ...columns.map(column => column.kind === "number" ? (Number.isNaN(column.values[point]) ? "" : +column.values[point].toPrecision(7)) : csvCell(cell(column, point)))].join());
  const address = URL.createObjectURL(new Blob(["\ufeff" + rows.join("\n") + "\n"], { type: "text/csv" }));
  element("a", { href: address, download: say("file") + ".csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

let haystack = null, asked = 0;
function search() {
  const wanted = folded($("query").value.trim()), box = $("found");
  box.hidden = !wanted;
  box.replaceChildren();
  const before = hits;
  hits = null;
  if (wanted) {
    haystack ??= names.map((name, point) => folded([name, ...columns.filter(one => one.kind !== "number").map(one => cell(one, point))].join("\n")));
    hits = new Set();
    for (let point = 0; point < count; point++) if (haystack[point].includes(wanted)) hits.add(point);
    const head = element("div", { className: "head" },
      element("b", { textContent: hits.size === 1 ? say("hits_one") : say("hits", { n: whole(hits.size) }) }));
    if (hits.size) head.append(link(say("select_hits"), () => choose(new Set(hits))), link(say("go"), () => goTo(hits)));
    box.append(head);
    if (hits.size) box.append(listOf(hits));
  }
  if (before || hits) recolour();
}
$("query").addEventListener("input", () => { clearTimeout(asked); asked = setTimeout(search, 120); });

const MOST_CATEGORIES = 300;
function showLegend() {
  const legend = $("legend"), column = columns[coloured];
  legend.replaceChildren();
  $("labels").hidden = !category();
  if (!column) return;
  if (column.kind === "number") {
    const bar = element("div", { className: "gradient" });
    bar.style.background = `linear-gradient(90deg, ${VIRIDIS.join()})`;
    legend.append(bar, element("div", { className: "ends" },
      element("span", { textContent: quantity(column.low) }), element("span", { textContent: quantity(column.high) })));
    const missing = column.values.reduce((sum, value) => sum + Number.isNaN(value), 0);
    if (missing) legend.append(element("p", { className: "soft small", textContent: say("missing", { n: whole(missing) }) }));
    return;
  }
  const tally = new Uint32Array(column.categories.length), away = hidden[coloured], list = element("ul");
  for (const value of column.values) tally[value]++;
  const update = () => { recolour(); hover(-1); };
  column.categories.slice(0, MOST_CATEGORIES).forEach((name, number) => {
    const box = element("input", { type: "checkbox", checked: !away.has(number) });
    box.onchange = () => { if (box.checked) away.delete(number); else away.add(number); update(); };
    const dot = element("span", { className: "dot" });
    dot.style.setProperty("--dot", categoryColour(number));
    const only = link(say("only"), () => {
      column.categories.forEach((_, i) => i === number ? away.delete(i) : away.add(i));
      update(); showLegend();
    });
    only.setAttribute("aria-label", `${say("only")} ${shown(name)}`);
    list.append(element("li", {}, element("label", { title: shown(name) }, box, dot,
      element("span", { className: "name", textContent: shown(name) || say("no_value") }),
      element("span", { className: "count", textContent: whole(tally[number]) })), only));
  });
  legend.append(list);
  if (column.categories.length > MOST_CATEGORIES)
    legend.append(element("p", { className: "soft small", textContent: say("first", { n: MOST_CATEGORIES }) }));
  if (column.categories.length > 1) legend.append(element("div", { className: "row" },
    link(say("all"), () => { away.clear(); update(); showLegend(); }),
    link(say("none"), () => { column.categories.forEach((_, i) => away.add(i)); update(); showLegend(); })));
  if (column.categories.length > 10) legend.append(element("p", { className: "soft small", textContent: say("grey") }));
}
function showColours() {
  const chooser = $("colour");
  chooser.replaceChildren(element("option", { value: -1, textContent: say("no_colour") }));
  columns.forEach((column, number) => {
    if (column.kind !== "text") chooser.append(element("option", { value: number, textContent: shown(column.name) }));
  });
  chooser.value = coloured;
  $("colours").hidden = chooser.options.length < 2;
}
$("colour").onchange = event => { coloured = +event.target.value; showLegend(); recolour(); showChosen(); };

function showQuality() {
  const box = $("quality");
  box.replaceChildren();
  const rows = facts.qualities;
  if (!rows.length) { box.append(element("p", { className: "soft", textContent: say("too_few") })); return; }
  const [own, beside] = rows, k = own.neighbours;
  box.append(element("p", { className: "lead", textContent:
    say(beside ? "kept_beside" : "kept", { k, kept: percent(own.preserved.value), pca: beside ? percent(beside.preserved.value) : "" }) }));
  const bars = element("div", { className: "bars" });
  const bar = (name, value, main) => {
    const fill = element("i", { className: main ? "this" : "" });
    fill.style.width = 100 * value + "%";
    bars.append(element("span", { textContent: name }), element("span", { className: "bar" }, fill), element("span", { textContent: percent(value) }));
  };
  bar(facts.method, own.preserved.value, true);
  if (beside) bar("PCA", beside.preserved.value, false);
  bar(say("chance"), own.by_chance, false);
  box.append(bars);
  box.append(element("p", { className: "caution", textContent: say(beside ? "caution" : "caution_pca") }));
  const table = element("table", { className: "facts" });
  table.append(element("thead", {}, element("tr", {}, element("th"), ...rows.map((_, i) => element("th", { textContent: i ? "PCA" : facts.method })))));
  const body = element("tbody");
  for (const key of ["trustworthiness", "continuity"]) body.append(element("tr", {},
    element("th", { textContent: say(key) }), ...rows.map(row => element("td", { textContent: decimal(row[key].value, 3) }))));
  table.append(body);
  box.append(table, element("p", { className: "soft small", textContent: say("measures") }));
  const interval = own.preserved.interval;
  box.append(element("p", { className: "soft small", textContent: interval
    ? say("asked_some", { asked: whole(own.asked), points: whole(own.points), low: percent(interval[0]), high: percent(interval[1]) })
    : say("asked_all", { points: whole(own.points) }) }));
}

function hint(text) { $("hint").hidden = !text; $("hint").textContent = text; }
function showKeys() {
  $("keys").replaceChildren(...say("keys").split(";").flatMap(line => {
    const [keys, meaning] = line.split(":");
    return [element("dt", {}, ...keys.trim().split(" ").map(key => element("kbd", { textContent: key }))),
      element("dd", { textContent: meaning.trim() })];
  }));
}
function showWords() {
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = say(one.dataset.word);
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", say(one.dataset.label));
    if (one.tagName === "BUTTON") one.title = say(one.dataset.label);
  }
  $("query").placeholder = say("search");
  $("language").textContent = language === "en" ? "ES" : "EN";
  $("language").lang = language === "en" ? "es" : "en";
  $("language").setAttribute("aria-label", language === "en" ? "Español" : "English");
  $("about").textContent = [say("points_" + facts.medium, { n: whole(count) }), facts.method, facts.encoder].filter(Boolean).join(" · ");
  const notes = [];
  if (facts.pictures < count && facts.medium !== "text" && facts.medium !== "table")
    notes.push(facts.pictures ? say("some_pictures", { n: whole(facts.pictures), all: whole(count) }) : say("no_pictures"));
  notes.push(say("made", { version: facts.version }));
  $("notes").textContent = notes.join(" ");
  showKeys(); showColours(); showLegend(); showQuality(); showChosen(); search();
}
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  showLegend(); recolour(); showChosen();
}
$("theme").onclick = () => setTheme(dark() ? "light" : "dark");
$("language").onclick = () => { language = language === "en" ? "es" : "en"; showWords(); };
$("in").onclick = () => zoomBy(1.7);
$("out").onclick = () => zoomBy(1 / 1.7);
$("reset").onclick = reset;
$("lasso").onclick = () => drawMode(!drawing);
for (const id of ["pictures", "labels"]) $(id).onclick = () => { $(id).setAttribute("aria-pressed", !pressed(id)); draw(); };
document.addEventListener("keydown", event => {
  const typing = ["INPUT", "SELECT"].includes(event.target.tagName) && event.target.type !== "checkbox";
  if (event.key === "Escape") {
    path = [];
    if (drawing) drawMode(false); else if (pinned >= 0) pin(-1); else if (selected) choose(null);
    else { $("query").value = ""; search(); }
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = 80, actions = {
    "+": () => zoomBy(1.7), "=": () => zoomBy(1.7), "-": () => zoomBy(1 / 1.7), "0": reset, l: () => drawMode(!drawing),
    p: () => $("pictures").click(), n: () => $("labels").click(), t: () => $("theme").click(),
    "/": () => $("query").focus(),
  };
  const pan = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
  if (pan && event.target === over) moved(120).call(mover.translateBy, pan[0] / transform.k, pan[1] / transform.k);
  else if (event.key === "Enter" && event.target === over) pin(pointAt(width / 2, height / 2, Math.min(width, height) / 2));
  else if (actions[event.key]) actions[event.key]();
  else return;
  event.preventDefault();
});

document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
$("pictures").hidden = !slots;
new ResizeObserver(resize).observe(map);
resize();
showWords();
recolour();
})();
