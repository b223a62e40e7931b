"use strict";
// Draws the figures in the colours of the page, each when it comes into sight, and again when the
// system changes between light and dark.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = new Map([...document.querySelectorAll(".plot")].map((at) => [at.dataset.figure, at]));
  const chosen = {};
  const drawn = new Set();

  function themed(value, style) {
    if (typeof value === "string") {
      const name = /^var\((--[a-z]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((each) => themed(each, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, themed(each, style)]));
  }

  function axis(own) {
    return {
      gridcolor: "var(--line)", zerolinecolor: "var(--line)", linecolor: "var(--line)",
      automargin: true, fixedrange: matchMedia("(pointer: coarse)").matches, ...own,
    };
  }

  function draw(id) {
    const at = plots.get(id);
    const choice = figures[id][chosen[id] || 0];
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: "var(--text)" },
      margin: { l: 12, r: 22, t: 28, b: 72 }, height: 352,
      legend: { orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom" },
      hoverlabel: { bgcolor: "var(--surface)", bordercolor: "var(--line)", font: { color: "var(--text)" } },
      ...choice.layout,
      xaxis: axis(choice.layout.xaxis), yaxis: axis(choice.layout.yaxis),
    };
    const style = getComputedStyle(document.documentElement);
    const config = { responsive: true, displaylogo: false, displayModeBar: false };
    drawn.add(id);
    return Plotly.react(at, themed(choice.data, style), themed(layout, style), config);
  }

  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && !drawn.has(target.dataset.figure)) draw(target.dataset.figure);
    }
  }, { rootMargin: "400px" });
  for (const at of plots.values()) watch.observe(at);

  for (const select of document.querySelectorAll("select[data-for]")) {
    select.addEventListener("change", () => {
      chosen[select.dataset.for] = Number(select.value);
      draw(select.dataset.for);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
  addEventListener("beforeprint", () => plots.forEach((_, id) => drawn.has(id) || draw(id)));
})();
