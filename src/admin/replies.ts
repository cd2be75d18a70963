// The shapes that control requests are answered in: JSON with 2-space indentation, because people count the lines, and one
// shape for every failure. Apart from the routes, which answer with them as the page and the streams do.

import type { AdminReply } from '../core/messages.ts';

export const json = (status: number, value: unknown, headers: Record<string, string> = {}): AdminReply => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  body: `${JSON.stringify(value, null, 2)}\n`,
  more: false,
});

export const failure = (
  status: number,
  message: string,
  headers: Record<string, string> = {},
  more: object = {},
): AdminReply => json(status, { message: `<Error> ${message}`, status: 'failure', ...more }, headers);

/** The head of server-sent events. */
export const streamReply: AdminReply = {
  status: 200,
  headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  body: '',
  more: true,
};

/** Node leaves a HEAD reply's body out by itself; a stream must not begin for it. */
export const withoutBodyFor = (method: string, reply: AdminReply): AdminReply =>
  method === 'HEAD'
    ? { ...reply, body: typeof reply.body === 'string' ? reply.body : '', more: false }
    : reply;
