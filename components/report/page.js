"use strict";
// Draws every figure in the colours of the day, and filters the people's lists by user.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // Wherever plotly takes a colour the description holds the name of one of the page's colours.
  const painted = (value, colors, key = "") => {
    if (Array.isArray(value)) return value.map((entry) => painted(entry, colors, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, painted(entry, colors, name)]));
    return typeof value === "string" && key.toLowerCase().endsWith("color") ? colors(value) : value;
  };

  const figures = [...document.querySelectorAll("figure.plot")].map((figure) => ({
    canvas: figure.querySelector(".canvas"),
    description: JSON.parse(figure.querySelector("script").textContent),
  }));

  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const colors = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const { canvas, description } of figures) {
      const { data, layout } = painted(description, colors);
      Plotly.react(canvas, data, layout, { responsive: true, displayModeBar: false });
    }
  };

  draw();
  dark.addEventListener("change", draw);

  const search = document.getElementById("find-user");
  if (!search) return;
  const people = [...document.querySelectorAll("details.person")];
  const told = document.getElementById("found-users");
  const opened = people.map((person) => person.open);

  const differing = document.getElementById("only-differing");

  // "mmgrec 12, champion 9" over the people shown
  const hits = (shown) => {
    const sums = new Map();
    for (const person of shown)
      for (const [arm, num] of Object.entries(JSON.parse(person.dataset.hits)))
        sums.set(arm, (sums.get(arm) ?? 0) + num);
    return [...sums].map(([arm, num]) => `${arm} ${num}`).join(", ");
  };

  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    const kept = people.filter((person) => {
      const isNamed = person.dataset.user.toLowerCase().includes(wanted);
      person.hidden = !isNamed || (differing.checked && !("differs" in person.dataset));
      return !person.hidden;
    });
    people.forEach((person, n) => {
      person.open = wanted && kept.length === 1 ? !person.hidden : opened[n];
    });
    told.textContent = kept.length
      ? `${kept.length} of ${people.length} users shown, hits in ten: ${hits(kept)}`
      : `No user drawn for this page has “${search.value.trim()}” in the id${
          differing.checked ? " and differently many hits" : ""
        }; ${people.length} were drawn`;
  };

  search.addEventListener("input", filter);
  differing.addEventListener("change", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    search.value = "";
    filter();
  });
  filter();
})();
