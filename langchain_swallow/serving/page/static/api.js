// Requests to the server, whose paths are relative: it may be behind a proxy, below a path.
import {text} from "./dom.js";

export class Failed extends Error {
  constructor(detail, status = 0, waitSeconds = 0) {
    super(detail);
    this.status = status;
    this.waitSeconds = waitSeconds;
  }
}

async function failure(response) {
  let detail = `${response.status} ${response.statusText}`;
  try {
    const body = await response.json();
    detail = Array.isArray(body.detail) ? body.detail.map(row => row.msg).join(" ") : body.detail;
  } catch {
    // A proxy's error page is not shown.
  }
  return new Failed(String(detail), response.status, Number(response.headers.get("Retry-After")));
}

async function send(method, path, options) {
  const response = await fetch(path, {method, ...options});
  if (!response.ok) throw await failure(response);
  return response;
}

const asJson = value => ({
  body: JSON.stringify(value),
  headers: {"Content-Type": "application/json"},
});

// The JSON of a response; null where it has none.
export async function call(method, path, body, options = {}) {
  const response = await send(method, path, {...(body ? asJson(body) : {}), ...options});
  return response.status === 204 ? null : response.json();
}

export const upload = (path, form, signal) => call("POST", path, null, {body: form, signal});

// The events of an answer: {kind, data}.
export async function* answerEvents(body, signal) {
  const response = await send("POST", "v1/answers", {...asJson({...body, stream: true}), signal});
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let received = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    received += value;
    const blocks = received.split("\n\n");
    received = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const field = name => lines.find(line => line.startsWith(name))?.slice(name.length);
      if (field("event: ")) yield {kind: field("event: "), data: JSON.parse(field("data: "))};
    }
  }
}

export const sessionPath = (session, ...parts) =>
  ["v1/sessions", ...[session, ...parts].map(encodeURIComponent)].join("/");

export const describe = error => (error instanceof Failed ? error.message : text("unsent"));
