// The parser alone: however the bytes are cut, the same parts come out; whatever is broken is a fault.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ResponseParser, type ResponseSink } from '../../src/upstream/response.ts';

const response = suite('response');

interface Seen {
  informations: number[];
  status: number;
  fields: string;
  body: string;
  trailers: string | null;
  fault: string;
}

function parse(
  text: string,
  cut: number,
  { isHead = false, end = false, parser = new ResponseParser() } = {},
): Seen {
  const seen: Seen = { informations: [], status: 0, fields: '', body: '', trailers: null, fault: '' };
  const sink: ResponseSink = {
    onInformation: head => seen.informations.push(head.status),
    onHead: head => {
      seen.status = head.status;
      seen.fields = head.fields;
    },
    onText: body => {
      seen.body += body;
    },
    onBody: chunk => {
      seen.body += chunk.toString('latin1');
    },
    onEnd: trailers => {
      seen.trailers = trailers;
    },
  };
  parser.begin(isHead, false);
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += cut) {
    if (parser.execute(bytes.subarray(at, at + cut), sink) === -1) {
      seen.fault = parser.fault;
      return seen;
    }
  }
  if (end && !parser.finish(sink)) seen.fault = 'ended';
  return seen;
}

const chunked =
  'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: Chunked\r\nConnection: close, X\r\nX: 2\r\n' +
  'B: \xe9\r\n\r\n3;ext="a"\r\nabc\r\n00000a\r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\n';

for (const cut of [1, 2, 3, 5, 7, 64, 100_000]) {
  response(`chunked, cut every ${cut} bytes`, () => {
    assert.equal(parse(chunked, cut), {
      informations: [103],
      status: 200,
      fields: 'A: 1\r\nB: \xe9\r\n',
      body: 'abc0123456789',
      trailers: 'T: 1\r\nU: 2\r\n',
      fault: '',
    });
  });
  response(`by length and until close, cut every ${cut} bytes`, () => {
    const byLength = parse('HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello', cut);
    assert.equal([byLength.body, byLength.trailers, byLength.fault], ['hello', '', '']);
    const byClose = parse('HTTP/1.0 200 OK\r\n\r\nhello', cut, { end: true });
    assert.equal([byClose.body, byClose.trailers, byClose.fault], ['hello', '', '']);
    const head = parse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', cut, { isHead: true });
    assert.equal([head.body, head.trailers, head.fault], ['', '', '']);
  });
}

for (const cut of [7, 100, 9000, 100_000]) {
  response(`a head of the same bytes is known again, whatever its body is, cut every ${cut} bytes`, () => {
    const parser = new ResponseParser();
    const answers: { status: number; isKnown: boolean; body: string }[] = [];
    let body = '';
    const sink: ResponseSink = {
      onInformation: () => {},
      onHead: head => {
        answers.push({ status: head.status, isKnown: head.prepared !== '', body: '' });
        head.prepared = 'made of it';
      },
      onText: text => {
        body += text;
      },
      onBody: chunk => {
        body += chunk.toString('latin1');
      },
      onEnd: () => {
        answers.at(-1)!.body = body;
        body = '';
      },
    };
    const answer = (text: string, isHead = false): void => {
      parser.begin(isHead, false);
      const bytes = Buffer.from(text, 'latin1');
      for (let at = 0; at < bytes.length; at += cut)
        assert.is.not(parser.execute(bytes.subarray(at, at + cut), sink), -1, parser.fault);
      assert.ok(parser.done);
    };
    const head = (length: number, reason = 'OK'): string =>
      `HTTP/1.1 200 ${reason}\r\nContent-Length: ${length}\r\n\r\n`;
    const bodies = [20_000, 20_000, 5, 5, 20_000].map((length, index) => String(index).repeat(length));
    for (const text of bodies) answer(head(text.length) + text);
    answer(head(20_000), true);
    answer('HTTP/1.1 204 No Content\r\n\r\n');
    answer(head(5, 'other') + bodies[2]);
    assert.equal(
      answers.map(one => one.body),
      [...bodies, '', '', bodies[2]],
    );
    // Of what comes in pieces nothing is kept.
    const isWhole = cut > 50;
    assert.equal(
      answers.map(({ isKnown }) => isKnown),
      [false, isWhole, false, isWhole, false, false, false, false],
    );
    parser.begin(false, false);
    assert.is(parser.execute(Buffer.from(`${head(5, 'other')}hello!`), sink), -1);
  });
}

response(
  'a head that is the same as the last one means the same, and another one is read, whatever is between them',
  () => {
    const large = 'a'.repeat(20_000);
    const answers: Record<string, string> = {
      large: `HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 20000\r\n\r\n${large}`,
      'large, another head': `HTTP/1.1 404 Gone\r\nX: 2\r\nContent-Length: 20000\r\n\r\n${large}`,
      small: 'HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello',
      empty: 'HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 0\r\n\r\n',
      'to HEAD, large': 'HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 20000\r\n\r\n',
      'to HEAD, small': 'HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 5\r\n\r\n',
      'to HEAD, chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
      chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: 1\r\n\r\n',
      'with an interim answer': `HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 20000\r\n\r\n${large}`,
      'without a body': 'HTTP/1.1 304 Not Modified\r\nX: 1\r\nContent-Length: 20000\r\n\r\n',
    };
    const names = Object.keys(answers);
    const three = names.flatMap(a => names.flatMap(b => names.map(c => [a, b, c])));
    for (const list of three)
      for (const cut of [100_000, 40]) {
        const parser = new ResponseParser();
        for (const name of list) {
          const isHead = name.startsWith('to HEAD');
          const seen = parse(answers[name]!, cut, { isHead, parser });
          assert.equal(seen, parse(answers[name]!, 100_000, { isHead }), `${name} of ${list}, cut ${cut}`);
          assert.ok(seen.fault === '' && seen.trailers !== null && parser.done, name);
        }
      }
  },
);

response('every proper beginning of an answer is neither complete nor a fault', () => {
  for (let length = 1; length < chunked.length; length++) {
    const seen = parse(chunked.slice(0, length), 100_000);
    assert.is(seen.fault, '', JSON.stringify(chunked.slice(0, length)));
    assert.is(seen.trailers, null);
  }
});

response(
  'every single byte put in or taken out of the framing is seen, or changes nothing that matters',
  () => {
    const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    for (let at = 0; at < text.length; at++) {
      for (const byte of ['\0', '\n', '\r', ' ', '0', 'f', ':', '\x7f']) {
        const seen = parse(text.slice(0, at) + byte + text.slice(at), 100_000);
        if (seen.trailers === null) continue;
        const where = JSON.stringify(`${text.slice(0, at)}[${byte}]${text.slice(at)}`);
        assert.ok(seen.body === 'abc', where);
      }
    }
  },
);

response('a head or a trailer section without an end is refused at a bound', () => {
  assert.is.not(parse(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(70_000)}`, 10_000).fault, '');
  assert.is.not(
    parse(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ${'a'.repeat(70_000)}`, 10_000).fault,
    '',
  );
  assert.is.not(
    parse(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;${'a'.repeat(70_000)}`, 10_000).fault,
    '',
  );
});

response.run();
