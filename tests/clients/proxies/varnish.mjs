// Varnish: our VCL, and one with a backend and nothing else.
import { copyOf } from './copy.mjs';

/** What our file says to start varnishd with. */
const asked = (text) => text.match(/^# {3}(-p .*)$/m)[1].split(' ');

const made = ({ folder, plain }, text, settings) => ({
  program: 'varnishd',
  args: [
    '-F',
    '-j',
    'none',
    '-n',
    folder,
    '-a',
    `127.0.0.1:${plain}`,
    '-T',
    'none',
    '-S',
    'none',
    '-s',
    'malloc,32m',
    '-f',
    `${folder}/default.vcl`,
    ...settings,
  ],
  files: { 'default.vcl': text },
});

export const varnish = {
  name: 'Varnish',
  // No TLS of its own.
  plain: true,
  version: ['varnishd', ['-V']],
  ours(place) {
    const text = copyOf('varnish.vcl', [
      ['.port = "8080"', `.port = "${place.gateway.split(':')[1]}"`],
    ]);
    return made(place, text, asked(text));
  },
  bare: (place) =>
    made(
      place,
      `
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${place.gateway.split(':')[1]}"; }
`,
      [],
    ),
};
