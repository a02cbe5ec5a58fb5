// Lines that an encoder, a framing or a parser could trip over.
const awkward = [
  'a plain line',
  '',
  '"quoted" and \'single\'',
  'back\\slash \\n that is no newline, \\u0041 that is no A, trailing \\',
  'a\ttab, a bell \u0007, an escape \u001b[31mred\u001b[0m, a NUL \u0000, a delete \u007f',
  'data: looks like SSE',
  'id: 5',
  'event: tricast.goodbye',
  'retry: 1',
  ': a comment?',
  '{"id":"x-1","event":"tricast.gap","data":null}',
  'emoji 🎉 family 👨‍👩‍👧‍👦 flag 🇪🇺, Ελληνικά, 日本語, e\u0301',
  'separators \u2028 and \u2029 and next line \u0085 and form feed \u000c end',
  '\ufeffbegins with a byte order mark',
  'carriage\rreturn inside, and at the end\r',
  '   leading and trailing blanks   ',
  '5',
  'null',
  'true',
  '[1,2]',
  '--',
  '$HOME `id` $(id) %s %n & | ; < > * ?',
  `${'a surrogate pair at a likely boundary '.padEnd(4093, '.')}😀`,
];

/** Line `i` of a file: each awkward kind in turn, numbered ones between them, and now and then a long one. */
export function line(i) {
  if (i % 50 === 49) return `${i} long `.padEnd(30_000, 'né"\\😀 ');
  if (i % 2) return `line ${i}`;
  return awkward[(i / 2) % awkward.length];
}
