"use strict";
for (const island of document.querySelectorAll("script[data-chart]")) {
  const place = document.getElementById(island.dataset.chart);
  vegaEmbed(place, JSON.parse(island.textContent), { actions: false, mode: "vega-lite", renderer: "svg" }).catch((error) => {
    place.textContent = `This chart could not be drawn (${error.message}); its numbers are below.`;
  });
}
