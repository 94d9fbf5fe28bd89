// Documents that are added to the conversation, one after another, each with its verdict.
import {call, describe, sessionPath, upload} from "./api.js";
import {button, byId, element, text} from "./dom.js";

const MAX_TRIES = 20;
const list = byId("uploads");
const uploads = [];
let sending = Promise.resolve();
let session = {};

// session: get() the id, begin() makes one if there is none, lost() if the server has forgotten it.
export function startFiles(given) {
  session = given;
  byId("file").addEventListener("change", event => {
    const whose = document.querySelector("#files input[name=whose]:checked").value;
    add([...event.target.files], whose === "everyone");
    event.target.value = "";
  });
}

export function forgetFiles() {
  for (const file of uploads.splice(0)) file.leave.abort();
  list.replaceChildren();
}

// The documents of a conversation that was opened again.
export function showFiles(kept) {
  forgetFiles();
  for (const {name, passages} of kept) {
    uploads.push({name, shared: false, leave: new AbortController(), result: {passages, error: ""}});
  }
  draw();
}

function add(files, shared) {
  for (const data of files) {
    const same = uploads.findIndex(file => file.name === data.name && file.shared === shared);
    if (same >= 0) uploads.splice(same, 1)[0].leave.abort();
    const file = {name: data.name, data, shared, leave: new AbortController()};
    uploads.push(file);
    sending = sending.then(() => read(file));
  }
  draw();
}

async function read(file) {
  if (!uploads.includes(file)) return;
  try {
    file.result = await send(file);
    file.name = file.result.name;
  } catch (error) {
    file.result = {error: error.status ? describe(error) : text("failed")};
  }
  delete file.data;
  if (uploads.includes(file)) draw();
}

async function send(file) {
  const form = new FormData();
  form.append("files", file.data, file.data.name);
  for (let tries = 0; ; tries++) {
    const path = `${sessionPath(await session.begin(), "documents")}?shared=${file.shared}`;
    try {
      return (await upload(path, form, file.leave.signal))[0];
    } catch (error) {
      if (error.status === 404 && !tries) {
        // The server has forgotten the session, and all files that it had.
        session.lost();
        uploads.filter(one => one.result).forEach(one => uploads.splice(uploads.indexOf(one), 1));
      } else if (error.waitSeconds && tries < MAX_TRIES) {
        await new Promise(resolve => setTimeout(resolve, 1000 * error.waitSeconds));
      } else throw error;
    }
  }
}

async function remove(file) {
  if (!file.result.error) {
    const path = sessionPath(session.get(), "documents", file.name);
    await call("DELETE", path).catch(() => {});
  }
  uploads.splice(uploads.indexOf(file), 1);
  draw();
}

function draw() {
  const done = uploads.filter(file => file.result);
  const waiting = uploads.length - done.length;
  const progress = `⏳ ${done.length} / ${uploads.length} ${text("reading")}`;
  list.replaceChildren(...done.map(row), ...(waiting ? [element("li", {}, progress)] : []));
}

function row(file) {
  const {error, passages, left_out: leftOut = []} = file.result;
  const verdict = error ? `⚠ ${error}` : `✓ ${passages} ${text("chunks")}`;
  const made = element("li", {class: error ? "failed" : ""}, `${file.name}: ${verdict}`);
  if (!file.shared || error) {
    const name = `${text("remove")}: ${file.name}`;
    made.append(button("×", () => remove(file), {class: "icon", title: name, "aria-label": name}));
  }
  made.append(...leftOut.map(line => element("small", {}, `⚠ ${text("left_out")}: ${line}`)));
  return made;
}
