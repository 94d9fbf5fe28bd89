// The list of conversations: opened, searched, renamed, exported, deleted.
import {call, describe, sessionPath} from "./api.js";
import {alarm, button, byId, config, element, language, text} from "./dom.js";

const list = byId("conversations");
const search = byId("search");
const PAUSE_MS = 200;

let handlers = {};
let current = "";

// handlers: open(id) shows a conversation, gone(id) is called after it was deleted.
export function startConversations(given) {
  handlers = given;
  byId("kept").textContent = text(config.durable ? "kept" : "not_kept");
  let pause;
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(refresh, PAUSE_MS);
  });
  return refresh();
}

export function select(session) {
  current = session;
  for (const row of list.children) {
    const name = row.querySelector(".title");
    if (row.dataset.session === session) name?.setAttribute("aria-current", "true");
    else name?.removeAttribute("aria-current");
  }
}

export async function refresh() {
  const words = search.value.trim();
  try {
    const found = await call("GET", `v1/sessions?q=${encodeURIComponent(words)}`);
    const none = words && !found.length ? [element("li", {class: "note"}, text("none_found"))] : [];
    list.replaceChildren(...found.map(row), ...none);
    select(current);
  } catch (error) {
    list.replaceChildren(element("li", {}, alarm(describe(error))));
  }
}

function row({session, title}) {
  const open = language(button(title, () => handlers.open(session), {class: "title", title}), title);
  const menu = element("details", {class: "menu", onclick: event => {
    if (event.target.matches("button")) menu.open = false;
  }},
    element("summary", {"aria-label": `${text("more")}: ${title}`}, "⋯"),
    element("div", {},
      button(text("rename"), () => rename(session, title, item)),
      button(text("export_markdown"), () => save(session, asMarkdown, "md", "text/markdown")),
      button(text("export_json"), () => save(session, asJson, "json", "application/json")),
      button(text("delete"), () => remove(session))));
  menu.addEventListener("focusout", event => {
    if (!menu.contains(event.relatedTarget)) menu.open = false;
  });
  const item = element("li", {"data-session": session}, open, menu);
  return item;
}

function rename(session, title, item) {
  const input = element("input", {"aria-label": text("name"), maxlength: config.maxTitle});
  input.value = title;
  let isOver = false;
  const end = async isWanted => {
    if (isOver) return;
    isOver = true;
    if (isWanted) {
      await call("PATCH", sessionPath(session), {title: input.value})
        .catch(error => list.prepend(element("li", {}, alarm(describe(error)))));
    }
    await refresh();
  };
  input.addEventListener("keydown", event => {
    if (event.isComposing) return;
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  input.addEventListener("blur", () => end(true));
  item.replaceChildren(input);
  input.focus();
  input.select();
}

async function remove(session) {
  if (!confirm(text("confirm_delete"))) return;
  try {
    await call("DELETE", sessionPath(session));
  } catch (error) {
    if (error.status !== 404) {
      list.prepend(element("li", {}, alarm(describe(error))));
      return;
    }
  }
  handlers.gone(session);
  await refresh();
}

const asJson = kept => `${JSON.stringify(kept, null, 2)}\n`;

function asMarkdown(kept) {
  const turns = kept.questions.map(({asked, answer}) => {
    const sources = answer.citations.map(({number, status, contradicted}) => {
      const note = text(`status_${contradicted ? "contradicted" : status}`);
      return `[${number}] ${answer.documents[number - 1].place} (${note})  `;
    });
    const question = asked.split("\n").map(line => `> ${line}`).join("\n");
    return [question, answer.text, sources.join("\n")].filter(Boolean).join("\n\n");
  });
  return `# ${kept.title}\n\n${turns.join("\n\n---\n\n")}\n`;
}

async function save(session, convert, ending, type) {
  try {
    const kept = await call("GET", sessionPath(session));
    const address = URL.createObjectURL(new Blob([convert(kept)], {type}));
    const name = kept.title.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").slice(0, 60);
    element("a", {href: address, download: `${name || "conversation"}.${ending}`}).click();
    URL.revokeObjectURL(address);
  } catch (error) {
    list.prepend(element("li", {}, alarm(describe(error))));
  }
}
