// The source of a citation, at the right, or on a phone as a sheet from below.
import {call, describe, sessionPath} from "./api.js";
import {alarm, button, byId, element, language, text} from "./dom.js";

const panel = byId("source");
const place = byId("place");
const body = byId("body");
let opener = null;
// Of several that are opened quickly, the last one is shown.
let latest = 0;

export const isOpen = () => !panel.hidden;

export async function openSource(turn, number, pressed) {
  const mine = ++latest;
  opener?.removeAttribute("aria-current");
  opener = pressed;
  opener.setAttribute("aria-current", "true");
  const passage = turn.answer.documents[number - 1];
  const status = turn.status(number);
  panel.hidden = false;
  document.body.classList.add("with-source");
  place.textContent = `[${number}] ${passage.place}`;
  byId("status").textContent = text(status ? `status_${status}` : "not_cited");
  byId("status").className = `status ${status ?? ""}`;
  body.replaceChildren(element("p", {class: "wait"}, text("loading")));
  place.focus({preventScroll: true});
  const path = sessionPath(turn.session, "answers", turn.id, "sources", number);
  try {
    const source = await call("GET", path);
    if (mine === latest) show(source, path);
  } catch (error) {
    if (mine !== latest) return;
    // The passage came with the answer.
    const cited = turn.citation(number);
    const marks = cited && cited.status !== "not_found" ? [[cited.start, cited.end]] : [];
    body.replaceChildren(alarm(describe(error)), marked(passage.text, marks));
  }
  body.querySelector("mark, .box")?.scrollIntoView({block: "center"});
}

export function closeSource() {
  latest++;
  panel.hidden = true;
  document.body.classList.remove("with-source");
  opener?.removeAttribute("aria-current");
  opener?.focus();
  opener = null;
}

function show(source, path) {
  const passage = marked(source.text, source.marks);
  if (!source.has_image) {
    const around = words => language(element("div", {class: "around"}, words.trim()), words);
    body.replaceChildren(around(source.before), passage, around(source.after));
    return;
  }
  const image = element("img", {src: `${path}/image`, alt: text("page_image", source)});
  const boxes = source.boxes.map(([left, top, width, height]) => {
    const box = element("span", {class: "box"});
    const shares = {left, top, width, height};
    for (const [side, share] of Object.entries(shares)) box.style[side] = `${100 * share}%`;
    return box;
  });
  const figure = element("div", {class: "page"}, image, ...boxes);
  const scroll = () => boxes[0]?.scrollIntoView({block: "center", inline: "center"});
  image.addEventListener("load", scroll, {once: true});
  const zoom = button(text("zoom"), () => {
    zoom.setAttribute("aria-pressed", String(figure.classList.toggle("large")));
    scroll();
  }, {class: "zoom", "aria-pressed": "false"});
  const folded = element("details", {}, element("summary", {}, text("passage")), passage);
  body.replaceChildren(zoom, figure, folded);
}

// Offsets count code points, and JavaScript's strings do not.
function marked(words, marks) {
  const points = [...words];
  const shown = language(element("div", {class: "passage"}), words);
  let done = 0;
  for (const [start, end] of marks) {
    shown.append(points.slice(done, start).join(""),
      element("mark", {}, points.slice(start, end).join("")));
    done = end;
  }
  shown.append(points.slice(done).join(""));
  return shown;
}

// The next (1) or previous (-1) citation of the whole conversation.
export function step(direction) {
  const marks = [...document.querySelectorAll("#log button.cite")];
  if (!marks.length) return;
  const current = marks.findIndex(mark => mark === opener);
  const listed = opener && current < 0
    ? marks.findIndex(mark => opener.compareDocumentPosition(mark) & Node.DOCUMENT_POSITION_FOLLOWING)
    : current;
  const first = direction > 0 ? 0 : marks.length - 1;
  const wanted = opener ? (listed + direction + marks.length) % marks.length : first;
  marks[wanted].scrollIntoView({block: "nearest"});
  marks[wanted].click();
}

byId("close-source").addEventListener("click", closeSource);
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
panel.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
});
document.addEventListener("keydown", event => {
  if (!event.altKey || event.isComposing) return;
  if (event.key === "ArrowDown") step(1);
  else if (event.key === "ArrowUp") step(-1);
  else return;
  event.preventDefault();
});
