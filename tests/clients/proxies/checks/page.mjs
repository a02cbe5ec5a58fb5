// May a page of the host that the browser asked for speak? Only if the proxy passes that host on.
import { overHttp2 } from '../http2.mjs';
import { baseOf } from '../ways.mjs';
import { fresh } from './verdict.mjs';

export async function page(stand, over) {
  const base = baseOf(stand, over);
  const http2 = over === 'HTTP/2' && overHttp2(stand.ca);
  try {
    const response = await (http2 ? http2.fetch : fetch)(`${base}/publish/${fresh('page')}`, {
      method: 'POST',
      headers: { Origin: base, 'Content-Length': '11' },
      body: 'from a page',
    });
    return { verdict: response.status === 200 ? 'ok' : `answered with ${response.status}` };
  } finally {
    http2?.close?.();
  }
}
