// The search page: what is asked stands in the address, so that it can be kept and sent; the server says all words.
"use strict";
const $ = (id) => document.getElementById(id);
const { words, manifests, language, readOnly, token } = JSON.parse($("facts").textContent);
const title = document.title, STEP = 24, WAIT_MS = 120;
const state = { q: "", least: 0.1, folds: "1", within: "line", unit: "", offset: 0 };
let latest = 0, timer = 0, unsaid = null;

// Elements, never markup: what a name or a reading holds stays text.
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "image", "polygon"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function fromAddress() {
  const given = new URLSearchParams(location.search);
  for (const name of ["q", "folds", "within", "unit"]) state[name] = given.get(name) ?? { folds: "1", within: "line" }[name] ?? "";
  const [least, offset] = [Number(given.get("least") ?? 0.1), Number(given.get("offset") ?? 0)];
  state.least = least >= 0 && least <= 1 ? least : 0.1;
  state.offset = offset >= 0 ? Math.floor(offset) : 0;
  $("q").value = state.q;
  $("folds").checked = state.folds !== "0";
  $("within").value = state.within === "page" ? "page" : "line";
  showLeast();
}

function showLeast() {
  const percent = Math.round(state.least * 1000) / 10;
  if (document.activeElement !== $("least")) $("least").value = percent;
  $("slider").value = percent;
}

function showTitle() {
  document.title = [state.q, title].filter(Boolean).join(" · ");
}

const asked = (more = {}) => new URLSearchParams({ ...state, limit: STEP, lang: language, ...more });

function toAddress(push) {
  const kept = new URLSearchParams({ ...state, lang: language });
  history[push ? "pushState" : "replaceState"](null, "", `?${kept}`);
  for (const link of document.querySelectorAll(".tongues a")) {
    kept.set("lang", link.lang);
    link.href = `?${kept}`;
  }
}

function change(values, { push = false, wait = false } = {}) {
  Object.assign(state, { offset: 0 }, values);
  showLeast();
  toAddress(push);
  clearTimeout(timer);
  timer = setTimeout(ask, wait ? WAIT_MS : 0);
}

async function ask() {
  showTitle();
  $("start").hidden = state.q !== "";
  $("problem").hidden = true;
  if (!state.q) { $("answers").hidden = true; return; }
  const turn = ++latest;
  busy(true);
  const answer = await get(`/api/search?${asked()}`);
  if (turn !== latest) return;  // a later question is on its way
  busy(false);
  if (answer.error) { problem(answer); $("answers").hidden = true; return; }
  show(answer);
}

// What stands there is that of the last question until the answer to this one comes.
function busy(waiting) {
  document.querySelector("main").setAttribute("aria-busy", String(waiting));
}

async function get(address, options) {
  try {
    const answer = await fetch(address, options);
    return await answer.json();
  } catch {
    return { error: "failed", what: words.failed };
  }
}

function problem(answer) {
  $("problem").textContent = [answer.what ?? words.failed, answer.next].filter(Boolean).join(". ");
  $("problem").hidden = false;
}

function show(answer) {
  $("answers").hidden = false;
  $("figures").replaceChildren(...answer.figures.map((one) =>
    make("div", {}, make("dt", {}, one.name), make("dd", { class: "value" }, one.value), make("dd", { class: "note" }, one.note))));
  $("shown").textContent = $("range").textContent = answer.shown;
  $("nothing").hidden = answer.hits > 0;
  $("nothing").textContent = words.nothing;
  $("hits").start = state.offset + 1;
  $("hits").replaceChildren(...answer.found.map(card));
  showUnits(answer.units);
  $("previous").disabled = state.offset === 0;
  $("next").disabled = state.offset + STEP >= answer.hits;
  $("pager").hidden = answer.hits <= STEP && state.offset === 0;
  $("csv").href = `/api/hits.csv?${asked()}`;
  $("csv").hidden = answer.hits === 0;
}

function showUnits(units) {
  const all = units.reduce((sum, [, count]) => sum + count, 0);
  const button = (unit, name, count) => make("li", {}, make("button",
    { type: "button", "aria-pressed": String(state.unit === unit), onclick: () => change({ unit }, { push: true }) },
    make("span", {}, name), make("span", { class: "n" }, count.toLocaleString(language))));
  const listed = units.filter(([unit]) => unit).map(([unit, count]) => button(unit, unit, count));
  $("units").replaceChildren(button("", words.all_units, all), ...listed);
  const address = manifests[state.unit] ?? (Object.keys(manifests).length === 1 ? Object.values(manifests)[0] : "");
  $("manifest").hidden = !address;
  $("manifest").href = address;
  $("manifest").textContent = words.manifest;
}

function card(hit) {
  const item = make("li", { class: `hit ${hit.verdict}` });
  const reading = make("p", { class: "reading" }, hit.text);
  const told = make("p", { class: "told", role: "status" });
  const from = [hit.unit, hit.label, hit.place, hit.by_people ? words.by_people : ""].filter(Boolean).join(" · ");
  const says = make("div", { class: "says" },
    make("div", { class: "sure" }, make("strong", { title: words.sure_about }, hit.sure),
      make("meter", { value: hit.probability, "aria-hidden": "true" }), make("span", { class: "word" }, hit.words)),
    reading, make("p", { class: "where" }, from + " · ",
      make("a", { href: hit.whole, target: "_blank", rel: "noopener" }, words.whole_page)));
  if (!readOnly) says.append(verdicts(hit, item, told), correction(hit, reading, told), told);
  item.append(picture(hit), says);
  return item;
}

function picture(hit) {
  const [left, top, width, height] = hit.box;
  const holder = make("div", { class: "picture" });
  const image = make("image", { x: left, y: top, width, height, href: hit.image });
  image.addEventListener("error", () => holder.replaceChildren(make("p", {}, words.no_picture)));
  holder.append(make("svg", { viewBox: hit.box.join(" "), role: "img", "aria-label": hit.alt }, image,
    ...hit.outlines.map((points) => make("polygon", { points }))));
  return holder;
}

function verdicts(hit, item, told) {
  const buttons = ["right", "wrong"].map((verdict) => make("button",
    { type: "button", class: verdict, "aria-pressed": String(hit.verdict === verdict), onclick: () => say(verdict) },
    `${verdict === "right" ? "✓" : "✗"} ${words[verdict]}`));
  async function say(verdict) {
    const answer = await send("/api/verdict", { page: hit.page, line: hit.line, word: state.q, verdict }, told);
    if (!answer) return;
    item.className = `hit ${verdict}`;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.classList.contains(verdict)));
    refreshFigures();
  }
  return make("fieldset", { class: "verdicts", "aria-label": `${words.verdict} ${hit.words}` }, ...buttons);
}

function correction(hit, reading, told) {
  let seen = hit.text;
  const input = make("input", { type: "text", value: seen, "aria-label": words.line_says, maxlength: 2000, spellcheck: "false", autocomplete: "off" });
  const form = make("form", { class: "correct", onsubmit: keep }, input, make("button", {}, words.save));
  async function keep(event) {
    event.preventDefault();
    const answer = await send("/api/correction", { page: hit.page, line: hit.line, text: input.value, seen }, told);
    if (!answer) return;
    reading.textContent = seen = input.value = answer.text;
    told.textContent = words.saved;
  }
  return make("details", {}, make("summary", {}, words.correct), form);
}

// Send what a person says; null where it was not kept, and why is told.
async function send(address, content, told) {
  const reviewer = $("name").value.trim();
  told.className = "told";
  told.textContent = "";
  const answer = reviewer
    ? await get(`${address}?lang=${language}`, { method: "POST", body: JSON.stringify({ ...content, reviewer }),
        headers: { "Content-Type": "application/json", "X-Capas-Token": token } })
    : { error: "no_reviewer", what: words.name_needed };
  if (!answer.error) return answer;
  told.className = "told problem";
  told.textContent = [answer.what, answer.error === "no_reviewer" ? "" : answer.next].filter(Boolean).join(". ");
  if (answer.error === "no_reviewer") askName(document.activeElement);
  return null;
}

// The name is asked for where it stands; Enter leads back to what was about to be said.
function askName(from) {
  unsaid = from;
  $("name").focus();
}

// After a verdict only the figures change: the hits stay where they are under the reader's eyes.
async function refreshFigures() {
  const answer = await get(`/api/search?${asked({ limit: 1 })}`);
  if (answer.error) return;
  $("figures").replaceChildren(...answer.figures.map((one) =>
    make("div", {}, make("dt", {}, one.name), make("dd", { class: "value" }, one.value), make("dd", { class: "note" }, one.note))));
}

$("ask").addEventListener("submit", (event) => { event.preventDefault(); change({ q: $("q").value.trim(), unit: "" }, { push: true }); });
$("slider").addEventListener("input", () => change({ least: $("slider").valueAsNumber / 100 }, { wait: true }));
$("least").addEventListener("input", () => {
  const percent = $("least").valueAsNumber;
  if (percent >= 0 && percent <= 100) change({ least: percent / 100 }, { wait: true });
});
$("folds").addEventListener("change", () => change({ folds: $("folds").checked ? "1" : "0" }));
$("name").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !unsaid || !$("name").value.trim()) return;
  event.preventDefault();
  unsaid.focus();
  unsaid = null;
});
$("within").addEventListener("change", () => change({ within: $("within").value }));
for (const [id, by] of [["previous", -STEP], ["next", STEP]])
  $(id).addEventListener("click", () => { change({ offset: Math.max(0, state.offset + by) }, { push: true }); $("results").scrollIntoView(); });
addEventListener("popstate", () => { fromAddress(); toAddress(false); ask(); });
addEventListener("keydown", (event) => {
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("q").focus(); }
});
try {
  $("name").value = localStorage.getItem("capas-reviewer") ?? "";
  $("name").addEventListener("change", () => localStorage.setItem("capas-reviewer", $("name").value.trim()));
} catch { /* a browser that keeps nothing: the name is asked for each time */ }
fromAddress();
toAddress(false);
ask();
