// Markdown → elements. What models write is text: there are no links, pictures or HTML, so that
// nothing they write can run, load or send anything.
import {element} from "./dom.js";

const FENCE = /^\s*(```|~~~)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^(\s*)([-*+・]|\d{1,3}[.)])\s+(.*)$/;
const QUOTE = /^>\s?(.*)$/;
const ROW = /^\s*\|.*\|\s*$/;
const RULE = /^\s*\|?(?:\s*:?-+:?\s*\|)+\s*:?-*:?\s*$/;
const LINE = /^\s*(?:-{3,}|\*{3,}|_{3,})\s*$/;
const INLINE = /`([^`\n]+)`|\*\*([^\n]+?)\*\*|\*([^*\s][^*\n]*?)\*|~~([^~\n]+)~~|\[(\d{1,3})\]/g;

// Elements of a text; `cite` makes the element of a mark such as [1], or returns null.
export function markdown(words, cite) {
  const lines = words.replaceAll("\r", "").split("\n");
  const blocks = [];
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else blocks.push(block(lines, cite));
  }
  return blocks;
}

function block(lines, cite) {
  const first = lines[0];
  if (FENCE.test(first)) return code(lines);
  if (LINE.test(first)) return lines.shift() && element("hr");
  const heading = HEADING.exec(first);
  if (heading) {
    lines.shift();
    // Below the page's own headings.
    const level = Math.min(6, heading[1].length + 2);
    return element(`h${level}`, {}, ...inline(heading[2].replace(/\s#+\s*$/, ""), cite));
  }
  if (ROW.test(first) && RULE.test(lines[1] ?? "")) return table(lines, cite);
  if (QUOTE.test(first)) return quote(lines, cite);
  if (ITEM.test(first)) return list(lines, cite);
  return paragraph(lines, cite);
}

function code(lines) {
  const mark = FENCE.exec(lines.shift())[1];
  const kept = [];
  while (lines.length && !lines[0].trim().startsWith(mark)) kept.push(lines.shift());
  lines.shift();
  return element("pre", {tabindex: "0"}, element("code", {}, kept.join("\n")));
}

function table(lines, cite) {
  const cells = line => line.trim().replace(/^\||\|$/g, "").split("|").map(cell => cell.trim());
  const row = (tag, line) =>
    element("tr", {}, ...cells(line).map(cell => element(tag, {}, ...inline(cell, cite))));
  const head = element("thead", {}, row("th", lines.shift()));
  lines.shift();
  const body = element("tbody");
  while (lines.length && ROW.test(lines[0])) body.append(row("td", lines.shift()));
  return element("div", {class: "table", tabindex: "0"}, element("table", {}, head, body));
}

function quote(lines, cite) {
  const kept = [];
  while (lines.length && QUOTE.test(lines[0])) kept.push(QUOTE.exec(lines.shift())[1]);
  return element("blockquote", {}, ...markdown(kept.join("\n"), cite));
}

function list(lines, cite) {
  const [, indent, mark] = ITEM.exec(lines[0]);
  const ordered = /^\d/.test(mark);
  const made = element(ordered ? "ol" : "ul", ordered ? {start: parseInt(mark, 10)} : {});
  while (lines.length) {
    const item = ITEM.exec(lines[0]);
    const isDeeper = item && item[1].length > indent.length;
    if (isDeeper && made.lastElementChild) {
      made.lastElementChild.append(list(lines, cite));
    } else if (item && item[1].length === indent.length && /^\d/.test(item[2]) === ordered) {
      lines.shift();
      made.append(element("li", {}, ...inline(item[3], cite)));
    } else if (!item && /^\s{2,}\S/.test(lines[0])) {
      made.lastElementChild.append(element("br"), ...inline(lines.shift().trim(), cite));
    } else break;
  }
  return made;
}

function paragraph(lines, cite) {
  const made = element("p");
  const begins = [FENCE, HEADING, ITEM, QUOTE, LINE];
  do {
    if (made.hasChildNodes()) made.append(element("br"));
    made.append(...inline(lines.shift(), cite));
  } while (lines.length && lines[0].trim() && !begins.some(begin => begin.test(lines[0])));
  return made;
}

function inline(words, cite) {
  const nodes = [];
  let done = 0;
  for (const match of words.matchAll(INLINE)) {
    nodes.push(words.slice(done, match.index), styled(match, cite));
    done = match.index + match[0].length;
  }
  nodes.push(words.slice(done));
  return nodes;
}

function styled([whole, codeText, strong, emphasis, deleted, number], cite) {
  if (codeText) return element("code", {}, codeText);
  if (strong) return element("strong", {}, ...inline(strong, cite));
  if (emphasis) return element("em", {}, ...inline(emphasis, cite));
  if (deleted) return element("del", {}, deleted);
  return cite(Number(number)) ?? whole;
}
