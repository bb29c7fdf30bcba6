"use strict";
// On a narrow screen a chart along time or numbers is drawn as wide as there is room; one of columns keeps its width.
const LETTER = { title: 8.2, subtitle: 6.8 };

function wrapped(text, most) {
  const lines = [];
  for (const word of String(text).split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length && longer.length <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

// Lines that were broken for the chart's own width: only those of events and goals begin anew.
function unwrapped(lines) {
  return [lines].flat().join("\n").replace(/\n(?!Events: |Goals: )/g, " ").split("\n");
}

function withLegendsInRows(layer) {
  const color = layer.encoding?.color;
  if (!color?.legend) return layer;
  return { ...layer, encoding: { ...layer.encoding, color: { ...color, legend: { ...color.legend, columns: 1 } } } };
}

function fitted(spec, room) {
  const layers = spec.layer ?? [];
  const stretches = layers.every((layer) => ["quantitative", "temporal", undefined].includes(layer.encoding?.x?.type));
  if (typeof spec.width !== "number" || room >= spec.width || !layers.length || !stretches) return spec;
  const { text = "", subtitle = "" } = Object(spec.title);
  const title = {
    ...Object(spec.title),
    text: wrapped(text, room / LETTER.title),
    subtitle: unwrapped(subtitle).flatMap((line) => wrapped(line, room / LETTER.subtitle)),
    fontSize: 15,
    limit: room,
    frame: "bounds",
  };
  return { ...spec, title, layer: layers.map(withLegendsInRows), width: room, autosize: { type: "fit-x", contains: "padding" } };
}

// Each image stands on the page once: for readers without scripts, to be saved, and where a chart cannot be drawn.
for (const island of document.querySelectorAll("script[data-chart]")) {
  const place = document.getElementById(island.dataset.chart);
  const figure = place.closest("section");
  const image = figure.querySelector(".fallback");
  const tools = figure.querySelector(".tools");
  if (image) {
    tools.querySelector("a").href = image.src;
    tools.hidden = false;
    image.remove();
  }
  vegaEmbed(place, fitted(JSON.parse(island.textContent), place.clientWidth), { actions: false, mode: "vega-lite", renderer: "svg" }).catch((error) => {
    place.textContent = `This chart could not be drawn here (${error.message}); its numbers are below.`;
    if (image) place.after(image);
  });
}
