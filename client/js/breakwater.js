// The public face of the Breakwater browser client. See index.d.ts for the types.

export { ChatApi } from './api.js';
export { classifyClose, fullJitter } from './backoff.js';
export { ChatClient } from './client.js';
export { ChatError } from './errors.js';
export { Session } from './session.js';
