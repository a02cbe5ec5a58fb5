// A certificate of this machine's own, which the tests' clients are told to trust.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../child.mjs';

/** Writes cert.pem, key.pem and both.pem (HAProxy takes the two in one file) into `folder`. */
export async function makeCertificate(folder) {
  const [cert, key, both] = ['cert.pem', 'key.pem', 'both.pem'].map((name) => join(folder, name));
  const made = await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=IP:127.0.0.1,DNS:localhost',
    '-keyout',
    key,
    '-out',
    cert,
  ]);
  if (made.code !== 0) throw new Error(`openssl: ${made.errors}`);
  const joined = await run('sh', ['-c', 'umask 077; cat "$1" "$2" >"$3"', 'sh', cert, key, both]);
  if (joined.code !== 0) throw new Error(`cat: ${joined.errors}`);
  return { cert, key, both, ca: readFileSync(cert) };
}
