// What TORC_KEY may say, and the fault of what it may not.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keySources } from '../../src/config/key-sources.ts';

const sources = suite('key sources');

const faultOf = (text: string): string =>
  keySources.schema
    .safeParse(text)
    .error?.issues.map(({ message }) => message)
    .join('; ') ?? '';

sources('each source as it was written, with what it is read from', () => {
  const text =
    'query:id;decoded,header:X-Way;last,cookie:sid;issue;max-age=60,path,uri,host,ip,ip/24,ip/64,json:/a~1b/0,body-prefix:256,header:x+path,random';
  const parsed = keySources.schema.parse(text);
  assert.is(parsed.map(source => source.text).join(','), text);
  assert.equal(
    parsed.flatMap(({ parts }) =>
      parts.map(({ kind, name, option, size, pointer }) => [kind, name, option, size, ...pointer].join(' ')),
    ),
    [
      'query id decoded 0',
      'header x-way last 0',
      'cookie sid issue 60',
      'path   0',
      'uri   0',
      'host   0',
      'ip   0',
      'ip  only 24',
      'ip   64',
      'json   0 a/b 0',
      'body-prefix   256',
      'header x  0',
      'path   0',
      'random   0',
    ],
  );
  assert.equal(
    parsed.filter(({ readsBody }) => readsBody).map(source => source.text),
    ['json:/a~1b/0', 'body-prefix:256'],
  );
});

for (const [text, fault] of [
  ['quer:id', /^has a wrong part "quer:id"$/],
  ['query:', /^has a wrong part/],
  ['query:a&b', /^has a wrong part/],
  ['header:a b', /^has a wrong part/],
  ['path:x', /^has a wrong part/],
  ['path;first', /";first" says nothing here/],
  ['header:x;decoded', /";decoded" says nothing here/],
  ['header:x;first;last', /";last" says nothing here/],
  ['query:x;first', /";first" says nothing here/],
  ['cookie:x;secure', /";secure" says nothing here/],
  ['cookie:x;issue;issue', /";issue" says nothing here/],
  ['cookie:x;issue;max-age=0', /";max-age=0" says nothing here/],
  ['cookie:x;max-age=5', /goes with ;issue/],
  ['ip/0', /ip\/1 to ip\/32 are of IPv4/],
  ['ip/129', /ip\/33 to ip\/128 of IPv6/],
  ['json:', /begins with "\/"/],
  ['json:a', /begins with "\/"/],
  ['json:/a~2', /~ is written ~0/],
  ['json:/a%', /% in it is written %25/],
  ['json:/a;first', /";first" says nothing here/],
  ['body-prefix:0', /1 to 65536 bytes/],
  ['body-prefix:65537', /1 to 65536 bytes/],
  ['body-prefix:x', /1 to 65536 bytes/],
  ['path+', /^has a wrong part "path\+"/],
  ['path+random', /random is joined with nothing/],
  ['path+cookie:x;issue', /;issue is joined with nothing/],
] as const)
  sources(`${text} is a fault`, () => assert.match(faultOf(text), fault));

sources.run();
