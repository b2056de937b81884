// The little that the page needs to build elements. Text goes in as text nodes only: nothing that the
// server says is ever parsed as markup.

export const byId = (id) => document.getElementById(id);

/** h('li', {class: 'row', dataset: {seq: 1}, onclick: f, 'aria-label': 'x'}, child, 'text', null) */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'dataset') Object.assign(element.dataset, value);
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function avatar(name) {
  return paintAvatar(h('span', { class: 'avatar', 'aria-hidden': 'true' }), name);
}

export function paintAvatar(element, name) {
  const letters = [...new Intl.Segmenter().segment(name)].map((part) => part.segment);
  element.textContent = (letters[0] ?? '').toLocaleUpperCase();
  element.style.setProperty('--hue', hue(name));
  return element;
}

function hue(name) {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) % 3600;
  return hash % 360;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const fullDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayWithYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

export function timeElement(timestamp, { withDay = false } = {}) {
  const date = new Date(timestamp);
  const text = withDay && !sameDay(timestamp, Date.now()) ? shortDay.format(date) : clock.format(date);
  return h('time', { datetime: date.toISOString(), title: fullDate.format(date) }, text);
}

export function sameDay(a, b) {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

export function dayName(timestamp) {
  const now = Date.now();
  if (sameDay(timestamp, now)) return 'Today';
  if (sameDay(timestamp, now - 86_400_000)) return 'Yesterday';
  const date = new Date(timestamp);
  return (date.getFullYear() === new Date(now).getFullYear() ? day : dayWithYear).format(date);
}

/** Arrow keys, Home and End move the focus among the matching elements of a list. */
export function arrowKeys(list, selector) {
  list.onkeydown = (event) => {
    const items = [...list.querySelectorAll(selector)];
    const at = items.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    items[Math.min(Math.max(next, 0), items.length - 1)]?.focus();
  };
}

/** Web Storage, or null where the browser forbids it: the page then just forgets. */
export function storage(kind) {
  try {
    return globalThis[kind];
  } catch {
    return null;
  }
}
