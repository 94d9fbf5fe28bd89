// One question with its answer, as it is shown.
import {call, describe, sessionPath} from "./api.js";
import {alarm, button, config, element, language, text} from "./dom.js";
import {markdown} from "./markdown.js";

// Pieces of an answer come faster than a screen can show them.
const PAINT_MS = 30;

export class Turn {
  // `open` shows a source: open(turn, number, button); `again` asks the same question again.
  constructor(question, {open, again}) {
    this.question = question;
    this.session = "";
    this.id = "";
    this.answer = {text: "", reasoning: "", documents: [], citations: [], refused: false};
    this.isDone = false;
    this.open = open;
    this.body = element("div", {class: "answer"}, element("p", {class: "wait"}, text("waiting")));
    this.after = element("div", {class: "after"});
    const asked = language(element("h2", {class: "asked"}, question), question);
    this.node = element("article", {"aria-busy": "true"}, asked, this.body, this.after);
    this.again = again;
  }

  // A kept turn of GET v1/sessions/{session}.
  static kept(session, row, handlers) {
    const turn = new Turn(row.asked, handlers);
    turn.session = session;
    turn.take({kind: "answer", data: row.answer});
    turn.rated = row.good;
    turn.end();
    return turn;
  }

  take({kind, data}) {
    if (data.answer_id) this.id = data.answer_id;
    if (kind === "documents") this.answer.documents = data.documents;
    else if (kind === "reasoning") this.answer.reasoning += data.text;
    else if (kind === "text") this.answer.text += data.text;
    else if (kind === "answer") {
      this.answer = data;
      this.isDone = true;
    } else if (kind === "error") this.alarm = data.detail;
    this.painting ??= setTimeout(() => this.paint(), this.painted ? PAINT_MS : 0);
  }

  // After the last piece, or when it was stopped.
  end(note = "") {
    clearTimeout(this.painting);
    this.paint();
    this.node.removeAttribute("aria-busy");
    if (!this.answer.text) this.body.replaceChildren();
    if (this.alarm) this.after.append(alarm(this.alarm));
    if (note) this.after.append(element("p", {class: "note"}, note));
    if (this.isDone) this.after.append(...this.sources());
    this.after.append(this.tools());
  }

  paint() {
    this.painting = null;
    const {reasoning, text: words} = this.answer;
    if (!reasoning && !words) return;
    this.painted = true;
    const parts = markdown(words, number => this.mark(number));
    if (reasoning) parts.unshift(this.thought(reasoning));
    this.body.replaceChildren(...parts);
    language(this.body, words);
  }

  thought(words) {
    // It is long, and shown whole only at the end.
    const count = {n: [...words].length};
    const isGoing = !this.answer.text && !this.isDone;
    if (isGoing) return element("p", {class: "wait"}, text("thinking", count));
    this.folded ??= element("details", {class: "thought"}, element("summary", {}, text("thought")));
    this.folded.replaceChildren(this.folded.firstChild, element("div", {}, words));
    return this.folded;
  }

  citation(number) {
    return this.answer.citations.find(one => one.number === number);
  }

  status(number) {
    const cited = this.citation(number);
    return cited && (cited.contradicted ? "contradicted" : cited.status);
  }

  // The mark [1] in the text.
  mark(number) {
    const status = this.status(number);
    if (!status) return this.isDone ? null : element("span", {class: "cite"}, String(number));
    return this.opener(number, String(number), {
      class: `cite ${status}`,
      title: text(`status_${status}`),
      "aria-label": `${text("citation", {n: number})}: ${text(`status_${status}`)}`,
    });
  }

  opener(number, label, properties) {
    return button(label, event => this.open(this, number, event.currentTarget), properties);
  }

  // Below the answer: what is cited; of a refusal, what was found.
  *sources() {
    const {refused, documents, citations} = this.answer;
    const row = (number, words) => element("li", {}, this.opener(number,
      `[${number}] ${documents[number - 1].place}`, {class: "place"}), words);
    if (refused && documents.length) {
      const rows = documents.map((_, index) => row(index + 1, ""));
      yield element("details", {class: "found"}, element("summary", {}, text("found")),
        element("ul", {class: "sources"}, ...rows));
    } else if (citations.length) {
      const rows = citations.map(({number}) => row(number,
        element("span", {class: `status ${this.status(number)}`},
          text(`status_${this.status(number)}`))));
      yield element("ul", {class: "sources", "aria-label": text("sources")}, ...rows);
    }
  }

  tools() {
    const tools = element("div", {class: "row tools"});
    if (this.answer.text) {
      tools.append(button(text("copy"), event => copy(this.answer.text, event.currentTarget)));
    }
    tools.append(button(text("again"), () => this.again(this), {class: "again"}));
    if (config.ratings && this.id && this.answer.text) tools.append(...this.rating());
    return tools;
  }

  *rating() {
    for (const good of [true, false]) {
      yield button(text(good ? "good" : "bad"), event => this.rate(good, event.currentTarget),
        {class: "rate", "aria-pressed": String(this.rated === good)});
    }
  }

  async rate(good, pressed) {
    const path = sessionPath(this.session, "answers", this.id, "rating");
    try {
      await call("POST", path, {good});
    } catch (error) {
      this.after.append(alarm(describe(error)));
      return;
    }
    for (const one of pressed.parentNode.querySelectorAll(".rate")) {
      one.setAttribute("aria-pressed", String(one === pressed));
    }
    const reason = element("input", {maxlength: "1000", "aria-label": text("reason"),
      placeholder: text("reason")});
    const form = element("form", {class: "row reason", onsubmit: async event => {
      event.preventDefault();
      try {
        await call("POST", path, {good, reason: reason.value});
        form.replaceChildren(element("span", {role: "status"}, text("thanks")));
      } catch (error) {
        form.append(alarm(describe(error)));
      }
    }}, reason, element("button", {}, text("send_reason")));
    this.after.querySelector(".reason")?.remove();
    this.after.append(form);
  }
}

async function copy(words, pressed) {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    // Browsers have the clipboard only for encrypted and local pages.
    const area = element("textarea", {class: "off"});
    area.value = words;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    pressed.focus();
  }
  pressed.textContent = text("copied");
  setTimeout(() => { pressed.textContent = text("copy"); }, 2000);
}
