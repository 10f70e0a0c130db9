// Sorting by a column: each heading becomes a button. Rows stay inside their group, absent values last.
const told = document.getElementById("sorted");
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
  told.textContent = `${heading.textContent}: ${ascending ? told.dataset.ascending : told.dataset.descending}`;
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

// Where a number comes from: its artifacts, from the list at the end of the page, in a dialog.
const dialog = document.getElementById("origin");
document.querySelector("main").addEventListener("click", (event) => {
  const link = event.target.closest("a.of") ?? event.target.closest("td.number:not(.absent)");
  const numbers = link?.dataset.of ?? link?.closest("tr")?.querySelector("a.of")?.dataset.of;
  if (!numbers || (link.tagName !== "A" && String(getSelection()))) return;
  event.preventDefault();
  const list = numbers.split(" ").map((number) => {
    const shown = document.getElementById(`artifact-${number}`).cloneNode(true);
    shown.removeAttribute("id");
    return shown;
  });
  if (list.length < 3) for (const one of list) one.open = true;
  dialog.querySelector(".artifacts").replaceChildren(...list);
  dialog.showModal();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("a")) dialog.close();
});

// A link to something folded away unfolds it.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  const part = target.querySelector(":scope > details.part");
  if (part) part.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();

// Print shows every section; of the rest what is open.
const parts = document.querySelectorAll("details.part:not(#provenance > *)");
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...parts].filter((part) => !part.open);
  for (const part of closed) part.open = true;
});
addEventListener("afterprint", () => {
  for (const part of closed) part.open = false;
});
