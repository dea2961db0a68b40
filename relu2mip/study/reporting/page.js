"use strict";
(() => {
  const {figures, trials} = JSON.parse(document.getElementById("data").textContent);
  const base = {
    font: {family: "system-ui, sans-serif", size: 13, color: "#1c2230"},
    paper_bgcolor: "#fff", plot_bgcolor: "#fff", hovermode: "closest",
  };
  const axis = {gridcolor: "#e6e9f0", zeroline: false, automargin: true};

  // Plots: the legend stands below, as many lines as it takes.
  for (const {name, data, layout, height} of figures) {
    const place = document.getElementById(name);
    const entries = data.filter(trace => trace.showlegend !== false).map(trace => trace.name);
    const shown = () => {
      const width = place.clientWidth;
      const entry = Math.min(width, 60 + 7 * Math.max(0, ...entries.map(text => text.length)));
      const lines = Math.ceil(entries.length / Math.max(1, Math.floor((width - 60) / entry)));
      const below = 70 + 20 * lines;
      return {
        ...base, ...layout, width, height: height + below, margin: {l: 60, r: 12, t: 12, b: below},
        xaxis: {...axis, ...layout.xaxis}, yaxis: {...axis, ...layout.yaxis},
        showlegend: entries.length > 0,
        legend: {orientation: "h", x: 0, xanchor: "left", y: -60 / height, yanchor: "top", entrywidth: entry - 45,
                 entrywidthmode: "pixels", font: {size: width < 500 ? 11 : 12}},
      };
    };
    Plotly.newPlot(place, data, shown(), {displaylogo: false, displayModeBar: false});
    addEventListener("resize", () => Plotly.relayout(place, shown()));
  }

  // The table: filters choose rows, a click on a header sorts them, and a hundred are shown at a time.
  const SIZE = 100;
  const count = trials.length ? trials[0].values.length : 0;
  const text = (column, row) => column.words ? column.words[column.values[row]] : column.values[row] ?? "";
  const chosen = new Map();
  let search = "", sorted = null, descending = false, first = 0;

  const filters = document.getElementById("filters");
  const labelled = (name, input) => {
    const label = document.createElement("label");
    label.append(name, input);
    filters.append(label);
    return input;
  };
  for (const column of trials.filter(column => column.filter)) {
    const select = labelled(column.name, document.createElement("select"));
    select.name = column.name;
    select.append(new Option("all", ""));
    column.words.forEach((word, k) => select.append(new Option(word === "" ? "none" : word, k)));
    select.addEventListener("change", () => {
      select.value === "" ? chosen.delete(column) : chosen.set(column, Number(select.value));
      first = 0;
      show();
    });
  }
  const box = labelled("text", document.createElement("input"));
  box.type = "search";
  box.addEventListener("input", () => { search = box.value.toLowerCase(); first = 0; show(); });

  const matches = row => {
    for (const [column, value] of chosen) if (column.values[row] !== value) return false;
    return !search || trials.some(column => column.words && text(column, row).toLowerCase().includes(search));
  };
  const compare = (a, b) => {
    const [x, y] = [sorted.values[a], sorted.values[b]];
    if (x === null || y === null) return (x === null) - (y === null);
    return descending ? y - x : x - y;
  };

  const table = document.getElementById("table"), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const column of trials) {
    const cell = document.createElement("th");
    cell.textContent = column.name;
    cell.addEventListener("click", () => {
      descending = sorted === column && !descending;
      sorted = column;
      show();
    });
    head.append(cell);
  }
  const show = () => {
    const rows = [];
    for (let row = 0; row < count; row++) if (matches(row)) rows.push(row);
    if (sorted) rows.sort(compare);
    [...head.cells].forEach((cell, k) => {
      cell.textContent = trials[k].name + (trials[k] === sorted ? (descending ? " ▼" : " ▲") : "");
    });
    body.replaceChildren(...rows.slice(first, first + SIZE).map(row => {
      const line = document.createElement("tr");
      for (const column of trials) {
        const cell = line.insertCell();
        cell.textContent = text(column, row);
        if (!column.words) cell.className = "number";
        else if (column.name === "message") cell.className = "long";
      }
      return line;
    }));
    document.getElementById("count").textContent = `${rows.length} of ${count} trials`;
    document.getElementById("place").textContent =
      rows.length ? `${first + 1} to ${Math.min(first + SIZE, rows.length)}` : "";
    document.getElementById("previous").disabled = first === 0;
    document.getElementById("next").disabled = first + SIZE >= rows.length;
  };
  document.getElementById("previous").addEventListener("click", () => { first -= SIZE; show(); });
  document.getElementById("next").addEventListener("click", () => { first += SIZE; show(); });
  show();
})();
