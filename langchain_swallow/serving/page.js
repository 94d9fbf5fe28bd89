// The conversation as this page shows it. The server sends one turn at a time and takes none back:
// what is on the screen is here, what an answer is made from is there.
window.swallow = (() => {
  const ja = navigator.language.startsWith("ja");
  const texts = Object.fromEntries(Object.entries(TEXTS).map(([k, v]) => [k, v[ja ? 0 : 1]]));
  // Each: {id, user, bot} with HTML, or {notice}.
  let turns = [];
  // What an answer is being made for: "asked", "picked", "again", or "".
  let busy = "";
  let askedAt = 0;
  const escape = text => {
    const node = document.createElement("p");
    node.textContent = text;
    return `<p>${node.innerHTML.replaceAll("\n", "<br>")}</p>`;
  };
  const message = (role, text) => (
    {role, metadata: null, options: null, content: [{type: "text", text}]});
  const alarm = text => `<p role="alert">⚠ ${text}</p>`;
  const shown = () => turns.flatMap(turn => turn.notice
    ? [message("assistant", alarm(turn.notice))]
    : [message("user", turn.user), ...(turn.bot ? [message("assistant", turn.bot)] : [])]);
  const last = () => turns.findLast(turn => !turn.notice);

  // The id that the server has made up for this page's session.
  let session = "";
  const forget = id => id && fetch(`v1/sessions/${id}`, {method: "DELETE", keepalive: true});
  const begin = async () => {
    const got = await fetch("v1/sessions", {method: "POST"});
    const made = got.ok ? (await got.json()).session : "";
    // A question was faster, and has made one.
    if (session) forget(made);
    else session = made;
  };
  begin();
  // The back button shows a page that the browser has kept, with its conversation.
  addEventListener("pagehide", event => event.persisted || forget(session));

  // [question box, text for the server, session, conversation]
  const ask = (text, how) => {
    const asked = (text || "").trim();
    // Gradio says nothing of a question that it could not send.
    if (busy && !last()?.id && Date.now() - askedAt > 15000) done(busy, "");
    if (busy || !asked) return [text, "", session, shown()];
    busy = how;
    askedAt = Date.now();
    turns.push({id: "", user: escape(asked), asked, bot: ""});
    return ["", asked, session, shown()];
  };
  const again = () => {
    const turn = last();
    if (!turn) return ["", session, shown()];
    busy = "again";
    askedAt = Date.now();
    turns = turns.filter(other => other !== turn);
    turns.push({...turn, id: "", bot: ""});
    return [turn.asked, session, shown()];
  };
  const take = wire => {
    const sent = JSON.parse(wire || "{}");
    const turn = turns.find(one => one.id && one.id === sent.id) || last();
    if (!turn || (turn.id && turn.id !== sent.id)) return [shown()];
    session = sent.session || session;
    if (sent.lost && !turn.id) {
      turns.splice(turns.indexOf(turn), 0, {notice: texts.lost});
      forgetFiles(texts.lost);
    }
    if (sent.id) {
      turn.id = sent.id;
      turn.bot = sent.bot;
    }
    return [shown()];
  };
  // [question box, conversation]: a question that was not answered comes back into an empty box.
  const done = (how, box) => {
    if (busy !== how) return [box, shown()];
    busy = "";
    const turn = last();
    if (turn && !turn.bot && !turn.id) {
      turn.bot = alarm(texts.unsent);
      return [box || turn.asked, shown()];
    }
    return [box, shown()];
  };
  const stopped = () => {
    busy = "";
    turns.filter(turn => !turn.notice && !turn.bot).forEach(turn => { turn.bot = "<p>■</p>" });
    return [shown()];
  };
  const clear = () => {
    busy = "";
    turns = [];
    forgetFiles("");
    forget(session);
    session = "";
    begin();
    return [[]];
  };

  // Documents
  const uploads = [];
  const path = name => `v1/sessions/${session}/documents`
    + (name === undefined ? "" : `/${encodeURIComponent(name)}`);
  const list = () => document.getElementById("uploaded");
  function forgetFiles(reason) {
    uploads.splice(0).forEach(file => file.leave.abort());
    if (list()) list().textContent = reason;
  }
  const state = file => !file.result ? "⏳" : file.result.error
    ? `⚠ ${file.result.error}` : `✓ ${file.result.passages} ${texts.chunks}`;
  const showFiles = () => {
    const waiting = uploads.filter(file => !file.result).length;
    const rows = uploads.filter(file => file.result).map(file => {
      const row = document.createElement("p");
      row.textContent = `${file.name}: ${state(file)}`;
      for (const line of file.result.left_out || []) {
        const lost = row.appendChild(document.createElement("small"));
        lost.textContent = `⚠ ${texts.leftOut}: ${line}`;
      }
      if (!file.shared || file.result.error) {
        const button = row.appendChild(document.createElement("button"));
        button.textContent = "×";
        button.title = `${texts.remove}: ${file.name}`;
        button.setAttribute("aria-label", button.title);
        button.onclick = () => remove(file);
      }
      return row;
    });
    if (waiting) {
      const row = document.createElement("p");
      row.textContent = `⏳ ${uploads.length - waiting} / ${uploads.length}`;
      rows.push(row);
    }
    list().replaceChildren(...rows);
  };
  const remove = async file => {
    if (!file.result.error) await fetch(path(file.name), {method: "DELETE"});
    uploads.splice(uploads.indexOf(file), 1);
    showFiles();
  };
  const pause = seconds => new Promise(resolve => setTimeout(resolve, 1000 * seconds));
  const send = async file => {
    const form = new FormData();
    form.append("files", file.data, file.data.name);
    for (let tries = 0; ; tries++) {
      const options = {method: "POST", body: form, signal: file.leave.signal};
      const got = await fetch(`${path()}?shared=${file.shared}`, options);
      const answer = await got.json();
      if (got.ok) return answer[0];
      if (got.status === 404 && !tries) {
        // The server has forgotten the session, and all files that it had.
        session = "";
        await begin();
        if (turns.length) turns.push({notice: texts.lost});
        uploads.filter(one => one.result).forEach(one => uploads.splice(uploads.indexOf(one), 1));
        continue;
      }
      const wait = Number(got.headers.get("Retry-After"));
      if (!wait || tries >= 20) return {name: file.name, error: String(answer.detail)};
      await pause(wait);
    }
  };
  let sending = Promise.resolve();
  const add = (files, shared) => {
    for (const data of files) {
      const same = uploads.find(file => file.name === data.name && file.shared === shared);
      if (same) {
        same.leave.abort();
        uploads.splice(uploads.indexOf(same), 1);
      }
      const file = {name: data.name, data, shared, leave: new AbortController()};
      uploads.push(file);
      sending = sending.then(async () => {
        if (!uploads.includes(file)) return;
        try {
          file.result = await send(file);
          file.name = file.result.name;
        } catch {
          file.result = {error: texts.failed};
        }
        delete file.data;
        if (uploads.includes(file)) showFiles();
      });
    }
    showFiles();
  };
  document.addEventListener("change", event => {
    if (!event.target.matches("#files input[type=file]")) return;
    const whose = document.querySelector("#files input[name=whose]:checked");
    add([...event.target.files], whose?.value === "everyone");
    event.target.value = "";
  });

  // Unfold the passage that a mark leads to; the browser's own jump would leave it folded.
  document.addEventListener("click", event => {
    const link = event.target.closest?.(".conversation a[href*='#passage-']");
    if (!link) return;
    event.preventDefault();
    const passage = document.getElementById(link.getAttribute("href").split("#")[1]);
    if (!passage) return;
    passage.closest("details").open = true;
    passage.setAttribute("tabindex", "-1");
    passage.focus();
    passage.scrollIntoView({block: "center"});
  });
  return {ask, again, take, done, stopped, clear};
})();
