// Asks, shows answers as they come, and ties the parts of the page together.
import {answerEvents, call, describe, Failed, sessionPath} from "./api.js";
import {refresh, select, startConversations} from "./conversations.js";
import {alarm, button, byId, config, element, language, text} from "./dom.js";
import {forgetFiles, showFiles, startFiles} from "./files.js";
import {answerSettings, startSettings} from "./settings.js";
import {closeSource, isOpen, openSource} from "./source.js";
import {Turn} from "./turn.js";

const CURRENT = "swallow-session";
const STOP_MS = 500;
const log = byId("log");
const start = byId("start");
const input = byId("question");
const send = byId("send");

let session = "";
// The answer that is being made: {leave, turn}.
let busy = null;

function use(id) {
  session = id;
  try {
    sessionStorage.setItem(CURRENT, id);
  } catch {
    // After a reload, a new conversation is shown.
  }
  select(id);
}

let beginning = null;
async function begin() {
  if (session) return session;
  // Files and a question may need it at the same time.
  beginning ??= call("POST", "v1/sessions").finally(() => { beginning = null; });
  use((await beginning).session);
  return session;
}

function lost() {
  use("");
  forgetFiles();
  if (log.querySelector("article")) log.append(alarm(text("lost")));
}

// Answers

const handlers = {
  open: openSource,
  again: async turn => {
    if (busy) return;
    turn.node.remove();
    await ask(turn.question, true);
  },
};

async function ask(question, again = false) {
  if (busy) return;
  const turn = new Turn(question, handlers);
  const mine = busy = {leave: new AbortController(), turn};
  show(turn);
  draw();
  let note = "";
  try {
    await receive(turn, again, mine.leave.signal);
    if (!turn.isDone && !turn.alarm) turn.alarm = text("cut");
  } catch (error) {
    if (mine.leave.signal.aborted) note = text("stopped");
    else {
      turn.alarm = turn.answer.text ? text("cut") : describe(error);
      // A question that was not answered comes back into an empty box.
      if (!input.value && !turn.answer.text) input.value = question;
    }
  }
  turn.end(note);
  if (busy === mine) busy = null;
  draw();
  follow();
  // The server keeps what it has sent as soon as it knows that nobody reads on.
  if (note) setTimeout(refresh, STOP_MS);
  else await refresh();
}

async function receive(turn, again, signal) {
  for (let tries = 0; ; tries++) {
    turn.session = await begin();
    const body = {question: turn.question, session: turn.session, again, ...answerSettings()};
    try {
      for await (const event of answerEvents(body, signal)) {
        const isAtEnd = nearEnd();
        turn.take(event);
        if (isAtEnd) requestAnimationFrame(follow);
      }
      return;
    } catch (error) {
      if (!(error instanceof Failed && error.status === 404) || tries) throw error;
      turn.node.remove();
      lost();
      show(turn);
    }
  }
}

function show(turn) {
  start.hidden = true;
  log.querySelectorAll(".again").forEach(one => one.remove());
  log.append(turn.node);
  follow();
}

const nearEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 80;
const follow = () => { log.scrollTop = log.scrollHeight; };

function stop() {
  busy?.leave.abort();
}

// Conversations

function clear() {
  stop();
  busy = null;
  if (isOpen()) closeSource();
  log.replaceChildren(start);
  start.hidden = false;
  forgetFiles();
  use("");
  draw();
}

async function open(id) {
  try {
    const kept = await call("GET", sessionPath(id));
    clear();
    use(id);
    for (const row of kept.questions) {
      const turn = Turn.kept(id, row, handlers);
      show(turn);
    }
    showFiles(kept.documents);
    document.body.classList.remove("with-nav");
  } catch (error) {
    clear();
    if (error.status !== 404) log.append(alarm(describe(error)));
  }
}

// The question

const count = () => [...input.value].length;

function draw() {
  const length = count();
  byId("count").textContent = length ? `${length} / ${config.maxQuestion}` : "";
  const isTooLong = length > config.maxQuestion;
  byId("count").classList.toggle("over", isTooLong);
  input.setAttribute("aria-invalid", String(isTooLong));
  send.textContent = text(busy ? "stop" : "send");
  send.classList.toggle("stop", Boolean(busy));
  send.disabled = !busy && (!input.value.trim() || isTooLong);
  // As high as what is written, up to a third of the window.
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}

function submit() {
  const question = input.value.trim();
  if (busy || !question || count() > config.maxQuestion) return;
  input.value = "";
  ask(question);
}

byId("ask").addEventListener("submit", event => {
  event.preventDefault();
  if (busy) stop();
  else submit();
});
input.addEventListener("input", draw);
input.addEventListener("keydown", event => {
  // Enter also ends the conversion of kana.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
});

async function suggest() {
  const suggested = await call("GET", "v1/suggestions").catch(() => []);
  byId("suggested").hidden = !suggested.length;
  byId("suggestions").replaceChildren(...suggested.map(question =>
    element("li", {}, language(button(question, () => ask(question)), question))));
}

async function showLibrary() {
  const {names, total} = await call("GET", "v1/documents").catch(() => ({names: [], total: 0}));
  byId("library").hidden = !total;
  byId("library-count").textContent = `(${total})`;
  byId("library").querySelector("ul").replaceChildren(
    ...names.map(name => language(element("li", {}, name), name)));
}

// The rest of the page

byId("new").addEventListener("click", () => {
  clear();
  document.body.classList.remove("with-nav");
  input.focus();
});
byId("show-nav").addEventListener("click", event => {
  const isShown = document.body.classList.toggle("with-nav");
  event.currentTarget.setAttribute("aria-expanded", String(isShown));
});
byId("show-help").addEventListener("click", () => byId("help").showModal());
document.addEventListener("keydown", event => {
  if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return;
  if (isOpen()) closeSource();
  else if (busy) stop();
  else document.body.classList.remove("with-nav");
});
byId("person").textContent = config.person;
byId("sign-out").addEventListener("submit", async event => {
  // Whoever logs in next with this browser must not see them.
  if (config.person) return;
  event.preventDefault();
  if (!confirm(text("confirm_sign_out"))) return;
  await call("DELETE", "v1/sessions").catch(() => {});
  event.target.submit();
});

startSettings();
startFiles({get: () => session, begin, lost});
const listed = startConversations({open, gone: id => { if (id === session) clear(); }});
draw();
let current = "";
try {
  current = sessionStorage.getItem(CURRENT) ?? "";
} catch {
  // Storage is blocked.
}
if (current) await open(current);
await Promise.all([listed, suggest(), showLibrary()]);
