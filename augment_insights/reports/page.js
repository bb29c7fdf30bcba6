"use strict";
// A chart along time or numbers is as wide as there is room, also after the window changed; one of columns keeps its width.
const NARROW = 560; // pixels: below, legends and long names stand over what they name
const LETTER = { title: 9.4, subtitle: 6.8, label: 6.6 };

function wrapped(text, most) {
  const lines = [];
  for (const word of String(text).split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length && longer.length <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function titled(spec, room) {
  const { text = "", subtitle = "" } = Object(spec.title);
  return {
    ...Object(spec.title),
    text: room < NARROW ? wrapped(text, room / LETTER.title) : text,
    subtitle: [subtitle].flat().flatMap((line) => wrapped(line, room / LETTER.subtitle)),
    ...(room < NARROW ? { fontSize: 15 } : {}),
    limit: room,
    frame: "bounds",
  };
}

function withLegendsInRows(layer) {
  const color = layer.encoding?.color;
  if (!color?.legend) return layer;
  return { ...layer, encoding: { ...layer.encoding, color: { ...color, legend: { ...color.legend, columns: 1 } } } };
}

// The longest name on the vertical axis, or word beside a mark, in letters: read off the data, as a spec does not say it.
function longestName(spec, channel = "y") {
  const named = spec.layer.map((layer) => layer.encoding?.[channel]).filter((one) => one?.type === "nominal");
  const fields = new Set(named.map((one) => one.field));
  const rows = [spec, ...spec.layer].flatMap(({ data }) => data?.values ?? spec.datasets?.[data?.name] ?? []);
  return Math.max(0, ...rows.flatMap((row) => [...fields].map((field) => String(row[field] ?? "").length)));
}

function withNamesOver(layer, room, letters) {
  const y = layer.encoding?.y;
  if (y?.type !== "nominal") return layer;
  const labelFontSize = Math.max(9.5, Math.min(13, (room - 40) / (letters * 0.56)));
  const over = { labelAlign: "left", labelBaseline: "bottom", labelPadding: 0, labelOffset: -8, labelLimit: room - 8, labelFontSize, ticks: false, domain: false };
  return { ...layer, encoding: { ...layer.encoding, y: { ...y, axis: { ...y.axis, ...over } } } };
}

function fitted(spec, room) {
  if (spec.facet && typeof spec.spec?.width === "number") {
    const columns = room < NARROW ? 1 : (spec.columns ?? 1);
    const width = Math.floor((room - 92 - (columns - 1) * 44) / columns);
    return { ...spec, title: titled(spec, room), columns, spec: { ...spec.spec, width } };
  }
  const layers = spec.layer ?? [];
  const stretches = layers.every((layer) => ["quantitative", "temporal", undefined].includes(layer.encoding?.x?.type));
  if (typeof spec.width !== "number" || !layers.length) return spec;
  if (!stretches) return room < NARROW ? { ...spec, title: titled(spec, room) } : spec;
  // What stands beside the plot, at a place of its own, needs room that is no part of it.
  const beside = Math.max(0, ...layers.map((layer) => (layer.encoding?.x?.value ?? 0) - spec.width));
  const moved = layers.map((layer) =>
    layer.encoding?.x?.value > spec.width
      ? { ...layer, encoding: { ...layer.encoding, x: { value: { expr: `width + ${layer.encoding.x.value - spec.width}` } } } }
      : layer,
  );
  const fit = {
    ...spec,
    title: titled(spec, room),
    layer: moved,
    width: room,
    autosize: { type: "fit-x", contains: "padding" },
    ...(beside ? { padding: { left: 8, top: 8, bottom: 8, right: beside + 16 } } : {}),
  };
  if (room >= NARROW) return fit;
  const letters = longestName(spec);
  const rows = moved.map(withLegendsInRows);
  if (letters * LETTER.label < room * 0.3) return { ...fit, layer: rows };
  const height = typeof spec.height === "number" ? spec.height * 1.8 : spec.height;
  const words = longestName(spec, "text") * LETTER.label * 0.35; // behind the last mark they go on beside the plot
  const padding = words > beside ? { padding: { left: 8, top: 8, bottom: 8, right: words + 8 } } : {};
  return { ...fit, height, ...padding, layer: rows.map((layer) => withNamesOver(layer, room, letters)) };
}

async function pngOf(image) {
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth * 2, image.naturalHeight * 2];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

function offer(tools, image) {
  const [svg, png] = tools.querySelectorAll("span a");
  svg.href = image.src;
  png.href = "#"; // drawn when it is asked for
  png.addEventListener("click", async (event) => {
    if (png.href.startsWith("data:")) return;
    event.preventDefault();
    png.href = await pngOf(image);
    png.click();
  });
  tools.querySelector("span").hidden = false;
}

// Each image stands on the page once: for readers without scripts, to be saved, and where a chart cannot be drawn.
const figures = [...document.querySelectorAll("script[data-chart]")].map((island) => {
  const place = document.getElementById(island.dataset.chart);
  const image = place.closest("section").querySelector(".fallback");
  if (image) {
    offer(place.closest("section").querySelector(".tools"), image);
    image.remove();
  }
  return { place, image, spec: JSON.parse(island.textContent), room: 0, drawn: Promise.resolve() };
});

function draw(figure) {
  const { place, image, spec } = figure;
  const room = place.clientWidth;
  if (!room || room === figure.room) return;
  figure.room = room;
  figure.drawn = figure.drawn
    .then((before) => {
      before?.finalize();
      return vegaEmbed(place, fitted(spec, room), { actions: false, mode: "vega-lite", renderer: "svg" });
    })
    .then((shown) => {
      // A symbol without a name is nothing to hear, and what is scrolled must be reached with the keyboard.
      for (const mark of place.querySelectorAll('[role="graphics-symbol"]:not([aria-label])')) {
        mark.removeAttribute("role");
        mark.removeAttribute("aria-roledescription");
      }
      if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
      return shown;
    })
    .catch((error) => {
      place.textContent = `This chart could not be drawn here (${error.message}); its numbers are below.`;
      if (image) place.after(image);
    });
}

let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => figures.forEach(draw), 150);
});
const contents = document.querySelector("nav details");
const wide = matchMedia("(min-width: 1240px)");
const unfold = () => (contents.open = wide.matches);
wide.addEventListener("change", unfold);
unfold();
figures.forEach(draw);
