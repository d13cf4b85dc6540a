"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.tHead.querySelectorAll("th[data-sort]").forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const numeric = head.dataset.sort === "number";
      const index = head.cellIndex;
      const key = (row) => {
        const value = row.cells[index].dataset.value ?? row.cells[index].textContent.trim();
        return numeric ? (value === "" ? NaN : Number(value)) : value.toLowerCase();
      };
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        // What is not known stays at the end, whichever way the column is sorted.
        if (numeric && (Number.isNaN(x) || Number.isNaN(y))) return Number.isNaN(x) - Number.isNaN(y);
        const found = numeric ? x - y : x.localeCompare(y);
        return down ? -found : found;
      };
      for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...[...body.rows].sort(order));
    });
  });
}
const search = document.querySelector("#search");
if (search) {
  search.hidden = false;
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const row of document.querySelectorAll("#queue tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}
