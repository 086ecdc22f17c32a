"""The page of the map without what is in it: markup, looks, and the script that draws, finds and lists."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {hashes}; \
style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #222; --soft: #5f5f5f; --paper: #fff; --line: #ddd; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e6e6; --soft: #a8a8a8; --paper: #16181c; --line: #34373d; }}
}}
body {{ margin: 0 auto; max-width: 1600px; padding: 1rem 1.5rem; box-sizing: border-box;
  background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 1.35rem; margin: 0 0 .4rem; }}
h2 {{ font-size: 1rem; margin: 1rem 0 .2rem; overflow-wrap: anywhere; }}
form {{ display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: center; font-size: .9rem; }}
select, input {{ font: inherit; max-width: 13rem; }}
#frame {{ position: relative; height: max(620px, 78vh); }}
#frame canvas, #map {{ position: absolute; inset: 0; width: 100%; height: 100%; }}
#map .textpoint text {{ paint-order: stroke; stroke: var(--paper); stroke-width: 3px; pointer-events: none; }}
#said {{ position: absolute; z-index: 9; max-width: min(26rem, 80%); padding: .4rem .6rem; font-size: .8rem;
  background: var(--paper); border: 1px solid var(--line); pointer-events: none; white-space: pre-line;
  overflow-wrap: anywhere; }}
p, li {{ margin: .3rem 0 0; max-width: 75rem; font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; }}
ul {{ margin: 0; padding-left: 1.2rem; }}
table {{ border-collapse: collapse; width: 100%; font-size: .85rem; }}
td, th {{ text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }}
tbody tr {{ cursor: pointer; }}
#listed {{ max-height: 30rem; overflow: auto; }}
.columns {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 0 2rem; }}
[hidden] {{ display: none; }}
@media (max-width: 700px) {{ body {{ padding: .7rem; }} #frame {{ height: 640px; }} }}
@media print {{ form, #listed {{ display: none; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<form>
<label>Search <input id="search" type="search" placeholder="words in questions or answers"></label>
<label>Show <select id="identity"><option value="">all identities</option></select></label>
<label id="of-model">Model <select id="model"><option value="">all</option></select></label>
<label id="of-lang">Language <select id="lang"><option value="">all</option></select></label>
<label id="of-value">Value <select id="value"><option value="">all</option></select></label>
<label>Question <select id="question"><option value="">all</option></select></label>
<label><input type="checkbox" id="dots" checked> QAs as dots</label>
<label id="of-density"><input type="checkbox" id="density"> where half and nine tenths of a language lie</label>
</form>
<p>Click a large mark for its profile, a name in the list to hide or show it; drag to zoom in, double-click to zoom \
out.</p>
<div id="frame"><canvas id="points"></canvas><div id="map"><noscript>This map needs JavaScript.</noscript></div>
<div id="said" hidden></div></div>
<p>{caption}</p>
<p><strong>{caveat}</strong></p>
<section id="profile" hidden><h2></h2><p></p><ul></ul></section>
<section id="ends" class="columns"></section>
<h2 id="count"></h2>
<div id="listed"><table><thead><tr><th>Identity</th><th>Question</th><th>Answer</th></tr></thead>\
<tbody id="rows"></tbody></table></div>
<script type="application/json" id="figure">{figure}</script>
<script type="application/json" id="data">{data}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""

SCRIPT = """
"use strict";
const find = id => document.getElementById(id), read = id => JSON.parse(find(id).textContent);
const map = find("map"), canvas = find("points"), said = find("said"), figure = read("figure"), data = read("data");
const darkness = matchMedia("(prefers-color-scheme: dark)"), narrow = matchMedia("(max-width: 700px)");
const count = data.x.length, shown = new Uint8Array(count), sought = ["identity", "model", "lang", "value", "question"];
const LISTED = 200;
let picked = -1, px = new Float32Array(count), py = new Float32Array(count);

// What comes from a corpus is only ever text: no markup is made of it.
function put(parent, tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
}
function choices(id, names) {
  names.forEach((name, number) => { put(find(id), "option", name).value = number; });
  const label = find("of-" + id);
  if (label) label.hidden = names.length < 2;
}
const sorted = names => [...new Set(names)].sort();
const models = sorted(data.identities.map(one => one.model)), langs = sorted(data.identities.map(one => one.lang));
choices("identity", data.identities.map(one => one.name));
choices("model", models);
choices("lang", langs);
choices("value", data.values);
choices("question", data.questions.map(text => text.length > 70 ? text.slice(0, 70) + "…" : text));
find("of-density").hidden = !figure.data.some(trace => trace.meta === "density");
find("density").checked = figure.data.some(trace => trace.meta === "density" && trace.visible);

// plotly widens both ranges to one scale, whenever the frame changes its shape, and never narrows them again.
const across = figure.layout.xaxis.range.slice(), up = figure.layout.yaxis.range.slice();
const whole = () => ({"xaxis.range": across.slice(), "yaxis.range": up.slice()});

function colours() {
  const ink = darkness.matches ? "#e6e6e6" : "#222", line = darkness.matches ? "#34373d" : "#e4e4e4";
  const paper = darkness.matches ? "#16181c" : "#fff";
  const below = narrow.matches && {"legend.orientation": "h", "legend.x": 0, "legend.y": -0.14, "legend.yanchor": "top",
    "legend.font.size": 10, "margin.l": 46, "margin.r": 4, "yaxis.title.standoff": 4};
  return {"font.color": ink, "hoverlabel.bgcolor": paper, "hoverlabel.bordercolor": line, "hoverlabel.font.color": ink,
    "modebar.color": "#8c8c8c", "modebar.activecolor": ink, "modebar.bgcolor": "rgba(0,0,0,0)",
    "xaxis.gridcolor": line, "yaxis.gridcolor": line, "xaxis.linecolor": line, "yaxis.linecolor": line, ...below};
}

// Which identities the choices leave, and which dots.
const chosen = id => find(id).value === "" ? -1 : Number(find(id).value);
function stays(one, number) {
  const [identity, model, lang] = ["identity", "model", "lang"].map(chosen);
  return (identity < 0 || identity === number) && (model < 0 || models[model] === one.model)
    && (lang < 0 || langs[lang] === one.lang);
}
function show() {
  const kept = data.identities.map(stays);
  Plotly.restyle(map, {visible: figure.data.map(trace => trace.meta === "density"
    ? find("density").checked && data.identities.some((one, number) => kept[number] && one.lang === trace.name)
    : kept[Number(trace.legendgroup)] ? true : "legendonly")});
  if (data.moves.length) Plotly.relayout(map, Object.fromEntries(data.moves.map(([from, to], number) =>
    [`annotations[${number}].visible`, kept[from] && kept[to]])));
}
function sift() {
  const hidden = new Set(map.data.filter(trace => trace.visible === "legendonly").map(trace => trace.legendgroup));
  const value = chosen("value"), question = chosen("question"), words = find("search").value.trim().toLowerCase();
  for (let i = 0; i < count; i++) {
    shown[i] = !hidden.has(String(data.who[i])) && (value < 0 || data.value[i] === value)
      && (question < 0 || data.question[i] === question)
      && (!words || data.answer[i].toLowerCase().includes(words)
        || data.questions[data.question[i]].toLowerCase().includes(words)) ? 1 : 0;
  }
}

// Dots are drawn here and not by plotly, which takes a minute for a hundred thousand.
function draw() {
  const box = canvas.getBoundingClientRect(), scale = devicePixelRatio || 1, pen = canvas.getContext("2d");
  canvas.width = box.width * scale;
  canvas.height = box.height * scale;
  pen.scale(scale, scale);
  const {xaxis, yaxis} = map._fullLayout, [left, right] = xaxis.range, [low, high] = yaxis.range;
  const size = count > 20000 ? 2 : 4;
  pen.globalAlpha = count > 20000 ? 0.3 : 0.45;
  pen.beginPath();
  pen.rect(xaxis._offset, yaxis._offset, xaxis._length, yaxis._length);
  pen.clip();
  for (let i = 0; i < count; i++) {
    px[i] = xaxis._offset + (data.x[i] - left) / (right - left) * xaxis._length;
    py[i] = yaxis._offset + (high - data.y[i]) / (high - low) * yaxis._length;
  }
  if (find("dots").checked) for (let i = 0; i < count; i++) {
    if (!shown[i]) continue;
    pen.fillStyle = data.identities[data.who[i]].colour;
    pen.fillRect(px[i] - size / 2, py[i] - size / 2, size, size);
  }
  if (picked >= 0) {
    pen.globalAlpha = 1;
    pen.strokeStyle = darkness.matches ? "#fff" : "#000";
    pen.strokeRect(px[picked] - 5, py[picked] - 5, 10, 10);
  }
}

function list() {
  const {xaxis, yaxis} = map._fullLayout, [left, right] = xaxis.range, [low, high] = yaxis.range, rows = find("rows");
  rows.replaceChildren();
  let number = 0;
  for (let i = 0; i < count; i++) {
    if (!shown[i] || data.x[i] < left || data.x[i] > right || data.y[i] < low || data.y[i] > high) continue;
    if (number++ >= LISTED) continue;
    const row = put(rows, "tr", "");
    put(row, "td", data.identities[data.who[i]].name);
    put(row, "td", data.questions[data.question[i]]);
    put(row, "td", data.answer[i]);
    row.addEventListener("click", () => { picked = i; draw(); find("frame").scrollIntoView({block: "nearest"}); });
  }
  const first = number > LISTED ? `, the first ${LISTED} of them listed` : "";
  find("count").textContent = `${number.toLocaleString("en")} QAs shown${first}`;
}
function refresh() { sift(); draw(); list(); thinNames(); }

function profile(number) {
  const one = data.identities[number], section = find("profile"), answers = section.querySelector("ul");
  section.hidden = false;
  section.querySelector("h2").textContent = one.full;
  section.querySelector("p").textContent = one.profile;
  answers.replaceChildren();
  for (const text of one.telling) put(answers, "li", text);
}

// Names are whole and never hide one another or a mean: one that would is left out until the reader zooms in.
function thinNames() {
  const boxOf = element => element.getBoundingClientRect();
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const area = boxOf(map.querySelector(".nsewdrag"));
  const taken = Array.from(map.querySelectorAll("[class*=tracemean] .point"), boxOf);
  for (const name of map.querySelectorAll(".textpoint text")) {
    const box = boxOf(name);
    const hidden = box.left < area.left || box.right > area.right || taken.some(other => overlap(box, other));
    name.style.visibility = hidden ? "hidden" : "visible";
    if (!hidden) taken.push(box);
  }
}

function nearest(event) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  let found = -1, reach = 49;
  for (let i = 0; i < count; i++) {
    const away = (px[i] - x) ** 2 + (py[i] - y) ** 2;
    if (shown[i] && away < reach) { found = i; reach = away; }
  }
  return find("dots").checked && !map.querySelector(".hoverlayer .hovertext") ? found : -1;
}
find("frame").addEventListener("mousemove", event => {
  const i = nearest(event), box = canvas.getBoundingClientRect();
  said.hidden = i < 0;
  if (i < 0) return;
  const one = data.identities[data.who[i]];
  said.textContent = `${one.full}\nQ: ${data.questions[data.question[i]]}\nA: ${data.answer[i]}`;
  const right = event.clientX - box.left > box.width / 2, down = event.clientY - box.top > box.height / 2;
  said.style.left = right ? "" : `${event.clientX - box.left + 12}px`;
  said.style.right = right ? `${box.right - event.clientX + 12}px` : "";
  said.style.top = down ? "" : `${event.clientY - box.top + 12}px`;
  said.style.bottom = down ? `${box.bottom - event.clientY + 12}px` : "";
});
find("frame").addEventListener("mouseleave", () => { said.hidden = true; });

for (const end of data.ends) {
  const part = put(find("ends"), "div", "");
  put(part, "h2", end.title);
  const answers = put(part, "ul", "");
  for (const text of end.answers) put(answers, "li", text);
}

// plotly offers to upload the chart unless told not to: the answers stay here.
Plotly.newPlot(map, figure.data, figure.layout, {showSendToCloud: false, plotlyServerURL: "", displaylogo: false,
  typesetMath: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]})
  .then(() => {
    let waiting = 0;
    const later = () => { waiting = 0; refresh(); };
    map.on("plotly_afterplot", () => { waiting = waiting || requestAnimationFrame(later); });
    map.on("plotly_relayouting", draw);
    map.on("plotly_click", event => {
      const trace = event.points[0] && event.points[0].data;
      if (trace && trace.legendgroup) profile(Number(trace.legendgroup));
    });
    return Plotly.relayout(map, {...colours(), ...whole()});
  }).then(() => { show(); refresh(); });
// The page may find its size late; plotly hears of windows that change alone.
let settling = 0;
new ResizeObserver(() => {
  clearTimeout(settling);
  const fit = () => Plotly.relayout(map, {...colours(), ...whole()});
  settling = setTimeout(() => Plotly.Plots.resize(map).then(fit), 60);
}).observe(find("frame"));
darkness.addEventListener("change", () => Plotly.relayout(map, colours()));
for (const id of ["identity", "model", "lang", "density"]) find(id).addEventListener("change", show);
for (const id of ["value", "question", "dots"]) find(id).addEventListener("change", refresh);
find("identity").addEventListener("change", () => { if (chosen("identity") >= 0) profile(chosen("identity")); });
let typing = 0;
find("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(refresh, 150); });
document.querySelector("form").addEventListener("submit", event => event.preventDefault());
"""
