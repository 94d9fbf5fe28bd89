// Before the first paint: the appearance that was chosen in this browser.
try {
  const chosen = JSON.parse(localStorage.getItem("swallow-theme"));
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is blocked: the system's appearance.
}
