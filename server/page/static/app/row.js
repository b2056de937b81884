// One message as a row, and text with links or highlights: split, never parsed as markup.

import { avatar, dayName, h, sameDay, timeElement } from './dom.js';
import { explain } from './words.js';

const groupMs = 5 * 60_000;

/** The row of a message; `previous` is the message above it, whose author and day need no repeating. */
export function messageRow(message, previous, me) {
  if (message.missing) return missingRow(message);
  const newDay = !previous || previous.missing || !sameDay(previous.timestamp, message.timestamp);
  const grouped = !newDay && previous.user === message.user && message.timestamp - previous.timestamp < groupMs;
  return h('li', {
    class: `row${grouped ? ' grouped' : ''}${message.user === me ? ' own' : ''}`,
    dataset: { testid: 'message', seq: message.seq, id: message.id, user: message.user },
    tabindex: '-1',
  },
  newDay ? h('div', { class: 'day' }, dayName(message.timestamp)) : null,
  grouped ? null : avatar(message.user),
  h('div', { class: 'body' },
    h('div', { class: grouped ? 'sr' : 'meta' },
      h('span', { class: 'author' }, message.user), ' ', timeElement(message.timestamp)),
    h('div', { class: 'text' }, ...linked(message.text))));
}

function missingRow({ from, to }) {
  const count = to - from + 1;
  const words = count === 1 ? 'One message' : `${count} messages`;
  return h('li', { class: 'note' }, `${words} could not be loaded here.`);
}

const fates = { queued: 'Waiting to be sent', sending: 'Sending…', sent: 'Sent' };

/** The row of a message that is not in the room yet. */
export function pendingRow(item, me, { onretry, ondiscard }) {
  const refused = item.status === 'refused';
  const fate = h('div', { class: 'fate' }, refused ? `Not sent. ${explain({ message: item.detail, code: item.code })}` : fates[item.status]);
  if (refused) {
    fate.append(
      h('button', { type: 'button', class: 'link', dataset: { testid: 'retry-button' }, onclick: onretry }, 'Try again'),
      h('button', { type: 'button', class: 'link', dataset: { testid: 'discard-button' }, onclick: ondiscard }, 'Discard'),
    );
  }
  return h('li', {
    class: 'row own pending',
    dataset: { testid: 'pending', id: item.id, status: item.status },
  },
  avatar(me),
  h('div', { class: 'body' },
    h('div', { class: 'meta' }, h('span', { class: 'author' }, me)),
    h('div', { class: 'text' }, item.text), fate));
}

const links = /(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}])/u;

function linked(text) {
  return text.split(links).map((part, i) => (i % 2 === 0 ? part
    : h('a', { href: part, target: '_blank', rel: 'noopener noreferrer' }, part)));
}

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** A search highlight, HTML-escaped with <em> around the matches, as text and <mark> elements. */
export function highlighted(escaped) {
  let inside = false;
  const nodes = [];
  for (const part of escaped.split(/(<em>|<\/em>)/)) {
    if (part === '<em>') inside = true;
    else if (part === '</em>') inside = false;
    else if (part !== '') nodes.push(inside ? h('mark', {}, unescape(part)) : unescape(part));
  }
  return nodes;
}

function unescape(text) {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(amp|lt|gt|quot|apos));/gi, (whole, dec, hex, name) => {
    if (name) return entities[name.toLowerCase()];
    const code = dec ? Number(dec) : parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
