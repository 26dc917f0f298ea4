// Comforts only: every page works without this file.
"use strict";
(() => {
  const all = (what, of = document) => [...of.querySelectorAll(what)];
  const said = document.getElementById("said");
  const say = (text) => { said.textContent = ""; setTimeout(() => { said.textContent = text; }, 50); };
  const words = document.body.dataset;

  for (const button of all("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const from = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(from.textContent);
        button.classList.add("done");
        setTimeout(() => button.classList.remove("done"), 1500);
        say(words.copied);
      } catch { // plain http: the browser has no clipboard for us
        const range = document.createRange();
        range.selectNodeContents(from);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        say(words.press);
      }
    });
  }

  const kept = (() => { try { return localStorage; } catch { return {}; } })();
  for (const tool of all(".picker input[type=radio]")) {
    if (kept.tool === tool.value) tool.checked = true;
    tool.addEventListener("change", () => { kept.tool = tool.value; });
  }

  const ago = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
  for (const time of all("time")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const [unit, of] = units.find(([, of]) => Math.abs(seconds) >= of) || ["second", 1];
    time.title = `${ago.format(Math.round(seconds / of), unit)} · ${time.title || time.textContent}`;
  }

  for (const form of all("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    });
  }
  addEventListener("pageshow", () => all("form[data-once]").forEach((form) => delete form.dataset.sent));

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of all("details.menu[open]")) { menu.open = false; menu.firstElementChild.focus(); }
  });

  const code = document.getElementById("field-code");
  if (code && location.hash.length > 1) { // of a sign-in link: what is behind the hash is never sent
    code.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname);
  }

  const poll = document.querySelector("[data-poll]");
  if (poll) {
    const look = async () => {
      const answer = await fetch(poll.href).catch(() => null);
      if (answer && answer.ok && !(await answer.text()).includes("data-poll")) {
        say(poll.dataset.poll);
        poll.textContent = poll.dataset.poll;
      } else setTimeout(look, 5000);
    };
    setTimeout(look, 5000);
  }
})();
