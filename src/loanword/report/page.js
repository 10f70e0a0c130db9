// Sorting by a column: each heading becomes a button. Rows stay inside their group, absent values last.
for (const table of document.querySelectorAll("main section table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortBy(table, headings, heading, place));
  });
}

function sortBy(table, headings, heading, place) {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of headings) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    rows.sort((one, two) => compare(one.cells[place], two.cells[place], ascending ? 1 : -1));
    body.append(...rows);
  }
}

function compare(one, two, direction) {
  const absent = one.classList.contains("absent") - two.classList.contains("absent");
  if (absent) return absent;
  const values = [one, two].map((cell) => cell.dataset.value ?? cell.textContent);
  const numbers = values.map(Number);
  const order = numbers.some(Number.isNaN) ? values[0].localeCompare(values[1]) : numbers[0] - numbers[1];
  return direction * order;
}
