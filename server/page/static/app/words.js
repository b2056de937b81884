// What goes wrong, in plain words.

const errors = {
  bad_credentials: 'This name and password do not belong together.',
  bad_query: 'This search cannot be understood. Try it with plain words.',
  closed: 'You are not connected at the moment.',
  empty_text: 'There is nothing to send.',
  frame_too_big: 'The message is too long.',
  id_conflict: 'The message clashes with another one. Copy it and send it anew.',
  invalid_name: 'A name has 1 to 64 characters, without a space at either end.',
  name_taken: 'This name is taken already.',
  network: 'The server cannot be reached.',
  no_such_room: 'This room does not exist any more.',
  not_in_room: 'You are not in this room.',
  not_your_name: 'You are logged in under another name.',
  outbox_full: 'Too many messages are waiting to be sent. Wait for the connection to come back.',
  overloaded: 'The server has too much to do. Try again in a moment.',
  rate_limited: 'That was too fast. Try again in a moment.',
  text_too_long: 'The message is too long.',
  timeout: 'The server takes too long to answer. Try again in a moment.',
  unauthorized: 'You need to log in again.',
  unavailable: 'This does not work at the moment. Try again soon.',
};

export function explain(err) {
  if (errors[err.code]) return errors[err.code];
  if (err.code === undefined) throw err; // a fault of the page, not an answer
  return err.message || 'Something went wrong.';
}

/** Why a sign-up or a log-in failed; the server's own words say best what a password lacks. */
export function explainLogin(err) {
  if (err.code === 'weak_password') return err.message || 'This password is too easy to guess.';
  if (err.code === 'name_taken') return 'This name is taken. If it is yours, log in with its password.';
  return explain(err);
}

const waits = {
  unreachable: 'Cannot reach the server',
  network: 'Connection lost',
  busy: 'The server is busy',
  overloaded: 'The server is busy',
  rate_limited: 'The server is busy',
  slow_consumer: 'The connection was too slow',
  draining: 'The server restarts',
};

const ends = {
  unauthorized: 'Logged out',
  not_your_name: 'Logged out',
  no_room: 'In no room yet',
  not_started: 'In no room yet',
  room_deleted: 'The room was deleted',
};

export function stateWords({ state, reason }) {
  if (state === 'open') return 'Connected';
  if (state === 'connecting') return 'Connecting…';
  if (state === 'waiting') return waits[reason] ?? 'Connection lost';
  return ends[reason] ?? 'Disconnected';
}

export function plural(count, one, many) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
