"use strict";
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
  vegaEmbed(place, JSON.parse(island.textContent), { actions: false, mode: "vega-lite", renderer: "svg" }).catch((error) => {
    place.textContent = `This chart could not be drawn here (${error.message}); its numbers are below.`;
    if (image) place.after(image);
  });
}
