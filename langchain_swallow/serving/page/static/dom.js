// The page's settings and texts, and how its elements are made: never from HTML.
export const config = JSON.parse(document.getElementById("config").textContent);
export const byId = id => document.getElementById(id);

export const text = (name, values = {}) =>
  config.texts[name].replace(/\{(\w+)\}/g, (_, value) => values[value]);

// element("p", {class: "note", onclick: …, "aria-label": …}, "text", child)
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

export const button = (label, onclick, properties = {}) =>
  element("button", {type: "button", onclick, ...properties}, label);

// Screen readers and line breaks need the language of what people and models have written.
export function language(node, words) {
  if (/[\u3041-\u30ff]/.test(words)) node.lang = "ja";
  return node;
}

export const alarm = words => element("p", {class: "alarm", role: "alert"}, `⚠ ${words}`);

// Storage may be blocked; it keeps only what is not secret.
export const stored = {
  get(name) {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch {
      // It is lost with the page.
    }
  },
};
