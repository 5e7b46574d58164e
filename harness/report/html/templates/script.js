"use strict";
(() => {
  const all = (where, what) => Array.from(where.querySelectorAll(what));

  // The bytes of an operation, sixteen a row: offset, hex, text.
  const hexView = (encoded, offset) => {
    const bytes = Array.from(atob(encoded), (one) => one.charCodeAt(0));
    const rows = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const row = bytes.slice(at, at + 16);
      const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
      const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
      rows.push((offset + at).toString(16).padStart(8, "0") + "  " + hex + "  |" + text + "|");
    }
    return rows.join("\n");
  };

  const line = (tag, text, name) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const related = (lanes, operation, on) => {
    if (operation === undefined) return;
    for (const one of all(lanes, "[data-op]")) {
      if (one.dataset.op === operation && !one.classList.contains("event")) one.classList.toggle("related", on);
    }
    for (const one of all(lanes, "[data-ops]")) {
      if (one.dataset.ops.split(" ").includes(operation)) one.classList.toggle("related", on);
    }
  };

  const show = (event) => {
    const row = document.getElementById(event.dataset.row);
    const panel = event.closest(".stage").querySelector(".detail");
    if (!row || !panel) return;
    const cells = Array.from(row.cells, (cell) => cell.textContent);
    const parts = [line("p", "item " + cells[0] + ", " + cells[1] + ": " + cells[3])];
    const more = [cells[4] && "issued by " + cells[4], cells[5]].filter(Boolean).join("; ");
    if (more) parts.push(line("p", more, "quiet"));
    if (row.dataset.bytes !== undefined) {
      const size = Number(row.dataset.size);
      const view = line("pre", hexView(row.dataset.bytes, Number(row.dataset.offset)));
      view.setAttribute("aria-live", "off");
      view.setAttribute("aria-label", "bytes in hex and text");
      parts.push(view);
      const shown = atob(row.dataset.bytes).length;
      if (shown < size) parts.push(line("p", "the first " + shown + " of " + size + " bytes", "left-out"));
    }
    panel.replaceChildren(...parts);
    panel.classList.add("filled");
  };

  for (const lanes of all(document, ".lanes")) {
    const events = all(lanes, ".event");
    let chosen = null;
    const choose = (event) => {
      if (chosen) {
        chosen.classList.remove("chosen");
        related(lanes, chosen.dataset.op, false);
      }
      chosen = event;
      event.classList.add("chosen");
      related(lanes, event.dataset.op, true);
      show(event);
    };
    const walkTo = (event) => {
      if (!event) return;
      for (const one of events) one.setAttribute("tabindex", one === event ? "0" : "-1");
      event.focus();
    };
    events.forEach((event, index) => {
      event.addEventListener("pointerenter", () => choose(event));
      event.addEventListener("focus", () => choose(event));
      event.addEventListener("click", () => walkTo(event));
      event.addEventListener("keydown", (key) => {
        const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: events.length - 1 }[key.key];
        if (next !== undefined) {
          key.preventDefault();
          walkTo(events[next]);
        } else if (key.key === "Enter" || key.key === " ") {
          key.preventDefault();
          choose(event);
        }
      });
    });
  }

  // A link to a finding opens it, also when the page is opened with it.
  const openTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const finding = target && target.closest("article.finding");
    if (!finding) return;
    finding.hidden = false;
    const fold = finding.querySelector("details");
    fold.open = true;
    fold.querySelector("summary").focus({ preventScroll: true });
    finding.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);
  addEventListener("click", (click) => {
    const link = click.target.closest && click.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) openTarget();
  });

  const form = document.querySelector("form.filter");
  if (form) {
    const findings = all(document, "article.finding");
    const texts = findings.map((finding) => finding.textContent.toLowerCase());
    const filter = () => {
      const verdicts = all(form, 'input[name="verdict"]').filter((box) => box.checked).map((box) => box.value);
      const profile = form.elements.profile.value;
      const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      findings.forEach((finding, index) => {
        const fits =
          verdicts.includes(finding.dataset.verdict) &&
          (!profile || finding.dataset.profiles.split(" ").includes(profile)) &&
          words.every((word) => texts[index].includes(word));
        finding.hidden = !fits;
        const row = document.querySelector('tr[data-for="' + finding.id + '"]');
        if (row) row.classList.toggle("filtered", !fits);
        count += fits;
      });
      form.querySelector("output").textContent = count + " of " + findings.length + " shown";
      document.querySelector(".no-match").hidden = count > 0;
    };
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("click", (click) => {
      const wish = click.target.dataset && click.target.dataset.do;
      if (!wish) return;
      for (const finding of findings) if (!finding.hidden) finding.querySelector("details").open = wish === "open";
    });
  }
  openTarget();
})();
