"use strict";
// Figures in the colours of the reader's screen, and in those of paper when the page is printed.
const darkness = matchMedia("(prefers-color-scheme: dark)"), touched = matchMedia("(pointer: coarse)");
const figures = Array.from(document.querySelectorAll("[data-figure]"), place =>
  [place, JSON.parse(document.getElementById(place.dataset.figure).textContent)]);
// What is drawn for white paper: greys of lines, and marks filled with the paper.
const onDark = {"#555555": "#a8a8a8", "#808080": "#8c8c8c", "#ffffff": "#16181c", "white": "#16181c",
  "#000000": "#e6e6e6", "black": "#e6e6e6", "#0072b2": "#4aa3dd", "rgba(255,255,255,0.9)": "rgba(22,24,28,0.9)"};

function recoloured(part) {
  if (typeof part === "string") return Object.hasOwn(onDark, part) ? onDark[part] : part;
  if (Array.isArray(part)) return part.map(recoloured);
  if (part === null || typeof part !== "object") return part;
  return Object.fromEntries(Object.entries(part).map(([name, content]) => [name, recoloured(content)]));
}

function layoutOf(layout, dark) {
  const ink = dark ? "#e6e6e6" : "#1f2328", line = dark ? "#34373d" : "#d8dee4", axis = dark ? "#8c8c8c" : "#6e7681";
  const paper = dark ? "#16181c" : "#ffffff", clear = "rgba(0,0,0,0)";
  const themed = {...layout, autosize: true, paper_bgcolor: clear, plot_bgcolor: clear,
    font: {...layout.font, color: ink}, hoverlabel: {...layout.hoverlabel, bgcolor: paper, bordercolor: axis,
      font: {...layout.hoverlabel?.font, color: ink}},
    legend: {...layout.legend, bgcolor: clear}, modebar: {color: axis, activecolor: ink, bgcolor: clear}};
  for (const name of Object.keys(layout).filter(name => /^[xy]axis\d*$/.test(name)))
    themed[name] = {...layout[name], linecolor: axis, tickcolor: axis, gridcolor: line, zerolinecolor: axis};
  if (touched.matches) themed.dragmode = false;  // a finger scrolls the page
  if (innerWidth < 600) themed.legend = {...themed.legend, orientation: "h", x: 0, y: -0.2, yanchor: "top"};
  delete themed.width;
  return themed;
}

function draw(dark) {
  for (const [place, figure] of figures) {
    const {data, layout} = dark ? recoloured(figure) : figure;
    // plotly offers to upload the chart unless told not to: the answers stay here. What it changes is a copy.
    Plotly.react(place, structuredClone(data), structuredClone(layoutOf(layout, dark)), {showSendToCloud: false,
      plotlyServerURL: "", displaylogo: false, typesetMath: false, responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]});
  }
}

draw(darkness.matches);
darkness.addEventListener("change", () => draw(darkness.matches));
addEventListener("beforeprint", () => draw(false));
addEventListener("afterprint", () => draw(darkness.matches));
