// A-3's first half: every endpoint, asked once with what is right and once with each thing that is wrong, and the answer
// as it came, its first characters. In this order, so that the walk ends with the three slots it began with.

import type { Answer, Torc } from './torc.ts';

interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
}

export interface Exchange extends Question, Answer {}

const get = (path: string): Question => ({ method: 'GET', path });
const add = (body: object): Question => ({ method: 'POST', path: '/add', body });
const rm = (body: object): Question => ({ method: 'DELETE', path: '/rm', body });

const QUESTIONS: readonly Question[] = [
  get('/rep'),
  add({ n: 2, hostnames: ['4'] }),
  add({ n: 1, hostnames: ['a', 'b'] }),
  add({ n: 1, hostnames: ['1'] }),
  add({ n: 0 }),
  rm({ n: 2, hostnames: ['4'] }),
  rm({ n: 1, hostnames: ['1', '2'] }),
  rm({ n: 1, hostnames: ['nobody'] }),
  rm({ n: 9 }),
  get('/request?request_id=7'),
  get('/home'),
  get('/heartbeat'),
  get('/other'),
  get('/requests/1'),
  get('/requests/nobody'),
  get('/admin/live'),
  get('/admin/ready'),
  get('/admin/slots'),
  get('/admin/explain?key=7'),
  get('/admin/whatif?n=4'),
  get('/admin/ring'),
  get('/metrics'),
];

/** /requests/ID alone lists up to 10,000 ids. */
const KEPT_CHARS = 2000;

export async function askEverything(torc: Torc): Promise<Exchange[]> {
  const exchanges: Exchange[] = [];
  for (const question of QUESTIONS) {
    const body = question.body === undefined ? undefined : JSON.stringify(question.body);
    const { status, text } = await torc.ask(question.method, question.path, body);
    exchanges.push({ ...question, status, text: text.slice(0, KEPT_CHARS) });
  }
  return exchanges;
}
