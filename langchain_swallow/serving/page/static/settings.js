// Settings of answers, kept in this browser, and the appearance.
import {byId, config, element, language, stored} from "./dom.js";

const NUMBERS = ["k", "max_tokens", "temperature"];
const KEY = `swallow-settings-${config.person}`;
const fields = ["preset", "system_prompt", ...NUMBERS];

export function startSettings() {
  byId("preset").append(...config.presets.map(
    ({name, label}) => language(element("option", {value: name}, label), label)));
  byId("system_prompt").maxLength = config.maxSystem;
  for (const name of NUMBERS) [byId(name).min, byId(name).max] = config.bounds[name];
  fill({...config.defaults, ...stored.get(KEY)});
  const dialog = byId("settings");
  byId("show-settings").addEventListener("click", () => dialog.showModal());
  dialog.addEventListener("change", () => stored.set(KEY, chosen()));
  // What is out of its bounds is shown as it is used.
  dialog.addEventListener("close", () => fill(chosen()));
  byId("reset").addEventListener("click", () => {
    fill(config.defaults);
    stored.set(KEY, config.defaults);
  });
  const theme = byId("theme");
  theme.value = document.documentElement.dataset.theme ?? "";
  theme.addEventListener("change", () => {
    stored.set("swallow-theme", theme.value);
    if (theme.value) document.documentElement.dataset.theme = theme.value;
    else delete document.documentElement.dataset.theme;
  });
}

function fill(values) {
  for (const name of fields) byId(name).value = values[name];
  if (!byId("preset").value) byId("preset").value = config.defaults.preset;
}

function chosen() {
  const values = {preset: byId("preset").value, system_prompt: byId("system_prompt").value};
  for (const name of NUMBERS) {
    const [minimum, maximum] = config.bounds[name];
    const value = byId(name).value === "" ? NaN : Number(byId(name).value);
    const wanted = Number.isFinite(value) ? value : config.defaults[name];
    values[name] = Math.min(maximum, Math.max(minimum, wanted));
    if (name !== "temperature") values[name] = Math.round(values[name]);
  }
  return values;
}

// As `POST v1/answers` takes them.
export function answerSettings() {
  const {temperature, ...rest} = chosen();
  return temperature ? {...rest, temperature} : rest;
}
